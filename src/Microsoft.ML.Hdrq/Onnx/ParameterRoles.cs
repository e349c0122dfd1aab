using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Decides the role of a file's tensor in training. ONNX does not specify it. The role follows from the layers that
/// read the tensor, and from whether the file stores it as an initializer (as exporters store weights, and as this
/// library writes them) or as a Constant node (as exporters store everything else).
/// </summary>
internal sealed class ParameterRoles(
    IReadOnlyList<GraphNode> nodes,
    IEnumerable<string> outputs,
    OnnxTensorPool tensors)
{
    private readonly ReaderRoles _readers = new(nodes, outputs);

    public ParameterRole this[string name]
    {
        get
        {
            var tensor = tensors[name];
            if (!tensor.ElementType.IsFloat())
                return ParameterRole.Constant;
            return tensors.IsConstant(name)
                ? _readers.Certain(name) ?? ParameterRole.Constant
                : _readers.Stored(name, TensorShape.ElementCount(tensor.Shape));
        }
    }
}

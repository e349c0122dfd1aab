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
            if (_readers.Certain(name) is { } role)
                return role;
            // Weights are added biases, class tokens and tables of positions, but not exponents, divisors, bounds or
            // scales of a resize.
            var isSingle = TensorShape.ElementCount(tensor.Shape) == 1;
            return !tensors.IsConstant(name)
                && !isSingle
                && _readers.Of(name).Any(reader => !reader.Definition.SteeringInputs.Contains(reader.Input))
                ? ParameterRole.Weight
                : ParameterRole.Constant;
        }
    }
}

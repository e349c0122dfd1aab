using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Decides what a tensor of a file is to training. ONNX does not say: the layers that read a tensor do, and whether the file holds it
/// as an initializer (as exporters hold weights, and as this library writes them) or as a Constant node (as they hold everything else).
/// </summary>
internal sealed class ParameterRoles(IReadOnlyList<GraphNode> nodes, IEnumerable<string> outputs, OnnxTensorPool tensors)
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
            // A bias that is added, a class token, a table of positions: but no exponent, no divisor, no bound, no scale of a resize.
            var isSingle = TensorShape.ElementCount(tensor.Shape) == 1;
            return !tensors.IsConstant(name) && !isSingle && _readers.Of(name).Any(reader => !reader.Definition.SteeringInputs.Contains(reader.Input))
                ? ParameterRole.Weight
                : ParameterRole.Constant;
        }
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Flattens to a matrix: dimensions before <c>axis</c> become rows, all others columns.</summary>
internal sealed class Flatten(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    private readonly long _axis = attributes.Integer("axis", 1);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var shape = inputs[0]!.shape;
        var axis = _axis == shape.Length ? shape.Length : HostValues.Axis(_axis, shape.Length);
        return [inputs[0]!.reshape(Product(shape[..axis]), Product(shape[axis..])).alias()];

        static long Product(long[] sizes) => sizes.Aggregate(1L, (product, size) => product * size);
    }
}

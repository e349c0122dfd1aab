using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Repeats the first input along each dimension; the second input gives the repeats.</summary>
internal sealed class Tile(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, repeats) = (inputs[0]!, HostValues.Integers(inputs[1]!));
        if (repeats.Length != data.dim() || repeats.Any(count => count < 0))
        {
            throw new InvalidDataException(
                $"Repeats [{string.Join(", ", repeats)}] do not fit data of {data.dim()} dimensions.");
        }
        // All factors are checked, because the product of a size and its repeats could wrap around to a small value.
        context.CheckSize([.. data.shape, .. repeats], data.dtype);
        return [data.repeat(repeats)];
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The first input, repeated along every dimension as often as the second says.</summary>
internal sealed class Tile(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, repeats) = (inputs[0]!, HostValues.Integers(inputs[1]!));
        if (repeats.Length != data.dim() || repeats.Any(count => count < 0))
            throw new InvalidDataException($"Repeats [{string.Join(", ", repeats)}] do not fit data of {data.dim()} dimensions.");
        // All factors, because the product of a size and its repeats could wrap around and look small.
        context.CheckSize([.. data.shape, .. repeats]);
        return [data.repeat(repeats)];
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Removes dimensions of size 1: those in the second input, or all.</summary>
internal sealed class Squeeze(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var shape = inputs[0]!.shape;
        var axes = inputs.Optional(1) is { } input
            ? HostValues.Axes(HostValues.Integers(input), shape.Length)
            : [.. Enumerable.Range(0, shape.Length).Where(axis => shape[axis] == 1)];
        foreach (var axis in axes)
        {
            if (shape[axis] != 1)
                throw new InvalidDataException($"Axis {axis} has size {shape[axis]} and cannot be removed.");
        }
        return [inputs[0]!.reshape([.. shape.Where((_, axis) => !axes.Contains(axis))]).alias()];
    }
}

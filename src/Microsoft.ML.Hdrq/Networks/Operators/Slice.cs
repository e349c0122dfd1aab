using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// A part of a tensor. Inputs: data, starts, ends, axes (the first ones), steps (1). Negative positions count from the
/// end.
/// </summary>
internal sealed class Slice(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input > 0;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, starts, ends) = (inputs[0]!, HostValues.Integers(inputs[1]!), HostValues.Integers(inputs[2]!));
        var axes = HostValues.Axes(
            inputs.Optional(3) is { } given
                ? HostValues.Integers(given)
                : Enumerable.Range(0, starts.Length).Select(axis => (long)axis),
            data.dim());
        var steps = inputs.Optional(4) is { } input
            ? HostValues.Integers(input)
            : [.. Enumerable.Repeat(1L, starts.Length)];
        if (ends.Length != starts.Length || axes.Length != starts.Length || steps.Length != starts.Length)
        {
            throw new InvalidDataException(
                $"Slice has {starts.Length} starts, {ends.Length} ends, {axes.Length} axes and {steps.Length} steps.");
        }
        var result = data.alias();
        for (var i = 0; i < axes.Length; i++)
            result = steps[i] switch
            {
                > 0 => Forward(result, axes[i], starts[i], ends[i], steps[i]),
                < 0 and > long.MinValue => Backward(result, axes[i], starts[i], ends[i], -steps[i]),
                _ => throw new InvalidDataException($"A step of {steps[i]} is not valid."),
            };
        return [result];
    }

    private static torch.Tensor Forward(torch.Tensor data, int axis, long start, long end, long step)
    {
        var size = data.shape[axis];
        (start, end) = (Clamp(start, size, 0, size), Clamp(end, size, 0, size));
        return data.slice(axis, start, Math.Max(start, end), Math.Min(step, Math.Max(1, size)));
    }

    /// <summary>Torch has no negative steps: the same elements are taken forwards, then flipped.</summary>
    private static torch.Tensor Backward(torch.Tensor data, int axis, long start, long end, long step)
    {
        var size = data.shape[axis];
        (start, end) = (Clamp(start, size, -1, size - 1), Clamp(end, size, -1, size - 1));
        if (start <= end)
            return data.narrow(axis, 0, 0);
        var last = start - (start - end - 1) / step * step;
        return data.slice(axis, last, start + 1, Math.Min(step, size)).flip(axis);
    }

    private static long Clamp(long position, long size, long minimum, long maximum) =>
        Math.Clamp(position < 0 ? position + size : position, minimum, Math.Max(minimum, maximum));
}

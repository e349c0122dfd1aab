using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Transposed convolution over one, two or three spatial dimensions. Inputs: data, weight [in, out / group, kernel...],
/// bias (optional).
/// </summary>
internal sealed class TransposedConvolution : LayerOperator
{
    private readonly SpatialWindow _window;
    private readonly long _groups;

    public TransposedConvolution(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes);
        _groups = SpatialWindow.Groups(attributes);
    }

    public override bool HasIntegerKernel => false;

    public override int OutputAxis(int weightRank) => 1;

    public override bool IsMatrixProduct(int weightRank) => false;

    /// <inheritdoc/>
    /// <remarks>[in, out / group, kernel...] as [group, in / group, out / group, kernel...].</remarks>
    public override (long[] Weight, long[] Factor)? ByOutputChannel(long[] weight, long channels) =>
        weight.Length > 2 && weight[1] * _groups == channels && weight[0] % _groups == 0
            ? (
                [_groups, weight[0] / _groups, .. weight.AsSpan(1)],
                [_groups, 1, weight[1], .. Enumerable.Repeat(1L, weight.Length - 2)])
            : null;

    public override void CheckWeight(ReadOnlySpan<long> shape) => _window.CheckWeight(shape);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, weight, bias) = (inputs[0]!, inputs[1]!, inputs.Optional(2));
        var dimensions = (int)weight.dim() - 2;
        if (dimensions is < 1 or > 3 || data.dim() != weight.dim())
            throw new InvalidDataException("A transposed convolution needs data and weights of 3 to 5 dimensions.");
        CheckWeight(weight.shape);
        var (strides, dilations) = (_window.Strides(dimensions), _window.Dilations(dimensions));
        var (before, after) = _window.TransposedPadding(data.shape.AsSpan(2), weight.shape.AsSpan(2));
        var full = new long[dimensions];
        for (var d = 0; d < dimensions; d++)
            full[d] = strides[d] * (data.shape[d + 2] - 1) + (weight.shape[d + 2] - 1) * dilations[d] + 1;
        context.CheckSize([data.shape[0], weight.shape[1] * _groups, .. full], data.dtype);
        for (var d = 0; d < dimensions; d++)
        {
            if (before[d] + after[d] >= full[d])
            {
                throw new InvalidDataException(
                    $"A padding of {before[d]} and {after[d]} leaves nothing of a result of {full[d]} elements.");
            }
        }

        // Padding crops the full result. Torch can only crop the same size on both sides.
        if (before.AsSpan().SequenceEqual(after) && before.All(size => size >= 0))
            return [Convolve(data, weight, bias, strides, before, dilations)];
        var result = Convolve(data, weight, null, strides, new long[dimensions], dilations);
        result = SpatialWindow.Pad(
            result,
            [.. before.Select(size => -size)],
            [.. after.Select(size => -size)],
            0,
            context);
        if (bias is null)
            return [result];
        return [result.add(bias.reshape([-1, .. Enumerable.Repeat(1L, dimensions)]), Scalars.One)];
    }

    private torch.Tensor Convolve(
        torch.Tensor data,
        torch.Tensor weight,
        torch.Tensor? bias,
        long[] strides,
        long[] padding,
        long[] dilations) => strides.Length switch
        {
            1 => torch.nn.functional.conv_transpose1d(data, weight, bias, strides[0], padding[0], 0, dilations[0], _groups),
            2 => torch.nn.functional.conv_transpose2d(data, weight, bias, strides, padding, null, dilations, _groups),
            _ => torch.nn.functional.conv_transpose3d(data, weight, bias, strides, padding, null, dilations, _groups),
        };
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Resamples along axes to other sizes: nearest, linear or cubic, one axis after the other. Inputs: data, region of
/// interest (ignored), scales or sizes (of <c>axes</c>, by default all).
/// </summary>
internal sealed class Resize : Operator
{
    private readonly ResizeSampling _sampling;
    private readonly long[]? _axes;

    public Resize(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _sampling = new ResizeSampling(attributes);
        _axes = attributes.Integers("axes") is { IsDefault: false } axes ? [.. axes] : null;
        if (attributes.Text("keep_aspect_ratio_policy", "stretch") is var policy and not "stretch")
        {
            throw new InvalidDataException(
                $"Attribute 'keep_aspect_ratio_policy' is '{policy}'; only stretch is supported.");
        }
    }

    /// <inheritdoc/>
    /// <remarks>Cubic interpolation overshoots.</remarks>
    internal override OperatorTraits Traits =>
        _sampling.IsCubic ? base.Traits & ~OperatorTraits.KeepsSign : base.Traits;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var axes = HostValues.Axes(
            _axes ?? Enumerable.Range(0, (int)data.dim()).Select(axis => (long)axis),
            data.dim());
        var (shape, scales) = (data.shape, new float[data.dim()]);
        Array.Fill(scales, 1);
        if (inputs.Optional(3) is { } sizes && sizes.numel() > 0)
        {
            Assign(
                HostValues.Integers(sizes),
                (axis, size) => (shape[axis], scales[axis]) = (size, (float)size / data.shape[axis]));
        }
        else if (inputs.Optional(2) is { } factors && factors.numel() > 0)
        {
            Assign(
                HostValues.Numbers(factors),
                (axis, scale) =>
                    (shape[axis], scales[axis]) = ((long)((float)scale * data.shape[axis]), (float)scale));
        }
        else
            throw new InvalidDataException("Resize has neither scales nor sizes.");
        if (shape.Any(size => size < 1) || scales.Any(scale => !(scale > 0 && float.IsFinite(scale))))
        {
            throw new InvalidDataException(
                $"Resize cannot make shape {TensorShape.Describe(shape)} of {TensorShape.Describe(data.shape)}.");
        }
        context.CheckSize(shape, data.dtype);

        if (_sampling.TorchMode(data, shape, scales) is var (mode, alignCorners))
            return [torch.nn.functional.interpolate(data, shape[2..], mode: mode, align_corners: alignCorners)];
        var result = data.alias();
        // Axes that shrink go first: this leaves less work for the others.
        foreach (var axis in axes.OrderBy(axis => scales[axis]))
        {
            if (shape[axis] != data.shape[axis] || scales[axis] != 1)
                result = _sampling.Resample(result, axis, shape[axis], scales[axis], context);
        }
        return [result];

        void Assign<T>(T[] values, Action<int, T> set)
        {
            if (values.Length != axes.Length)
                throw new InvalidDataException($"Resize has {values.Length} scales or sizes for {axes.Length} axes.");
            for (var i = 0; i < values.Length; i++)
                set(axes[i], values[i]);
        }
    }
}

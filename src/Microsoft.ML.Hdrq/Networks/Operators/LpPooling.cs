using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Pooling by the norm <c>(sum |x|^p)^(1/p)</c> of each window (attribute <c>p</c>, 2 by default), over one, two or
/// three spatial dimensions. Padding counts as zeros.
/// </summary>
internal sealed class LpPooling : Operator
{
    private readonly SpatialWindow _window;
    private readonly long _p;

    public LpPooling(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes, pooling: true);
        _p = attributes.Integer("p", 2);
        if (_p < 1)
            throw new InvalidDataException($"Attribute 'p' is {_p}; it must be 1 or more.");
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var kernel = _window.PoolingKernel(data);
        var (before, after) = _window.PoolingPadding(data, kernel, context, out var excess);
        var (strides, dilations) = (_window.Strides(kernel.Length), _window.Dilations(kernel.Length));
        var windows = SpatialWindow.Pad(data, before, [.. after.Zip(excess, (size, more) => size + more)], 0, context);
        // Each spatial dimension adds one dimension at the end: the positions in its windows.
        for (var d = 0; d < kernel.Length; d++)
        {
            var extent = _window.Extent(kernel, d);
            windows = windows.unfold(d + 2, extent, strides[d]).slice(-1, 0, extent, dilations[d]);
        }
        // Where a window has only zeros, the norm's gradient is 0, while the root has none.
        long[] positions = [.. Enumerable.Range(data.shape.Length, kernel.Length).Select(d => (long)d)];
        return [windows.Norm(_p, positions)];
    }
}

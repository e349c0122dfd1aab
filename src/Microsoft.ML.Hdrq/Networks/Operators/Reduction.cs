using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// A reduction over the axes in an optional input. If there are none, it reduces all axes, or no axis with
/// <c>noop_with_empty_axes</c>.
/// </summary>
internal sealed class Reduction : Operator
{
    private readonly Func<torch.Tensor, long[], bool, torch.Tensor> _function;
    private readonly bool _keep;
    private readonly bool _nothingWithoutAxes;

    public Reduction(
        string type,
        OperatorAttributes attributes,
        Func<torch.Tensor, long[], bool, torch.Tensor> function) : base(type, attributes)
    {
        _function = function;
        _keep = attributes.Integer("keepdims", 1) != 0;
        _nothingWithoutAxes = attributes.Integer("noop_with_empty_axes", 0) != 0;
    }

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var axes = inputs.Optional(1) is { } input ? HostValues.Axes(HostValues.Integers(input), data.dim()) : [];
        // Each element on its own, as along an axis of size 1: a sum of squares leaves the squares.
        if (data.dim() == 0 || (axes.Length == 0 && _nothingWithoutAxes))
            return [_function(data.unsqueeze(-1), [data.dim()], false)];
        if (axes.Length == 0)
            axes = [.. Enumerable.Range(0, (int)data.dim())];
        return [_function(data, [.. axes.Order().Select(axis => (long)axis)], _keep)];
    }

    /// <summary>The sum in the element type of the data; Torch alone would widen integers.</summary>
    public static torch.Tensor Sum(torch.Tensor data, long[] axes, bool keep) => data.sum(axes, keep, data.dtype);

    /// <summary>The mean; for integers it is truncated towards zero.</summary>
    public static torch.Tensor Mean(torch.Tensor data, long[] axes, bool keep) => data.is_floating_point()
        ? data.mean(axes, keep)
        : data.sum(axes, keep)
            .div(
                Scalars.Keep(axes.Aggregate(1L, (count, axis) => count * data.shape[axis])),
                torch.RoundingMode.trunc)
            .to(data.dtype);

    /// <summary>The Euclidean norm. Where it is zero, its gradient is zero.</summary>
    public static torch.Tensor EuclideanNorm(torch.Tensor data, long[] axes, bool keep) => data.is_floating_point()
        ? data.Norm(2, axes, keep)
        : data.to(torch.ScalarType.Float64).Norm(2, axes, keep).to(data.dtype);

    /// <summary>A reduction that Torch supports for one axis only. Axes are ascending.</summary>
    public static torch.Tensor OneByOne(
        torch.Tensor data,
        long[] axes,
        bool keep,
        Func<torch.Tensor, long, bool, torch.Tensor> function)
    {
        foreach (var axis in axes.Reverse())
            data = function(data, axis, keep);
        return data;
    }
}

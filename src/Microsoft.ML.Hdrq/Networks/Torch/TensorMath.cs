using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// What TorchSharp does with numbers of its own, which may be freed while libtorch reads them, see
/// <see cref="Scalars"/>.
/// </summary>
internal static class TensorMath
{
    /// <summary>The squares of all elements.</summary>
    public static torch.Tensor Squared(this torch.Tensor values) => values.mul(values);

    /// <summary><c>log(1 + e^x)</c> of all elements.</summary>
    public static torch.Tensor Softplus(this torch.Tensor values) => values.logaddexp(torch.zeros_like(values));

    /// <summary>The p-norm of vectors along axes; where it is 0, so is its gradient.</summary>
    /// <param name="values">Floating-point values.</param>
    /// <param name="p">The exponent, at least 1.</param>
    /// <param name="axes">The axes, ascending, at least one, none negative.</param>
    /// <param name="keep">Whether these axes stay, of size 1.</param>
    public static torch.Tensor Norm(this torch.Tensor values, float p, long[] axes, bool keep = false)
    {
        if (axes is [var axis])
            return values.norm((int)axis, keep, p);
        // TorchSharp passes one axis.
        long[] others = [.. Enumerable.Range(0, (int)values.dim()).Select(d => (long)d).Except(axes)];
        var shape = values.shape.Index().Select(size => axes.Contains(size.Index) ? 1 : size.Item);
        var norm = values.permute([.. others, .. axes]).flatten(others.Length).norm(others.Length, false, p);
        return keep ? norm.reshape([.. shape]) : norm;
    }

    /// <summary>Integers in ascending order, of type Int64.</summary>
    /// <param name="start">The first.</param>
    /// <param name="end">The one after the last.</param>
    /// <param name="device">The device; null for the CPU.</param>
    public static torch.Tensor Range(long start, long end, torch.Device? device = null) =>
        torch.arange(Scalars.Keep(start), Scalars.Keep(end), Scalars.Keep(1L), torch.ScalarType.Int64, device);
}

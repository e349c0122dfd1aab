using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// NumPy's rule of broadcasting: sizes are compared from the last dimension on, and size 1 is repeated.
/// </summary>
internal static class Broadcasting
{
    /// <summary>The common shape, checked against the limit: two small operands can have a huge result.</summary>
    /// <param name="a">A shape.</param>
    /// <param name="b">Another shape.</param>
    /// <param name="type">The type of the result's elements.</param>
    /// <param name="context">The pass.</param>
    /// <exception cref="InvalidDataException">
    /// The shapes cannot be broadcast, or the common one is too large.
    /// </exception>
    public static long[] Shape(
        ReadOnlySpan<long> a, ReadOnlySpan<long> b, torch.ScalarType type, ComputeContext context)
    {
        var shape = new long[Math.Max(a.Length, b.Length)];
        for (var d = 1; d <= shape.Length; d++)
        {
            var (x, y) = (d <= a.Length ? a[^d] : 1, d <= b.Length ? b[^d] : 1);
            if (x != y && x != 1 && y != 1)
            {
                throw new InvalidDataException(
                    $"Shapes {TensorShape.Describe(a)} and {TensorShape.Describe(b)} cannot be broadcast together.");
            }
            shape[^d] = x == 1 ? y : x;
        }
        context.CheckSize(shape, type);
        return shape;
    }
}

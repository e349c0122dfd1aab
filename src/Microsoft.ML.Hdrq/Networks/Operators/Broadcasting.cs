namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>NumPy's rule for shapes that meet: sizes are compared from the last dimension on, and 1 stretches.</summary>
internal static class Broadcasting
{
    /// <summary>The common shape, checked against the limit: two modest operands can make an immense result.</summary>
    /// <exception cref="InvalidDataException">The shapes do not fit together, or the common one is too large.</exception>
    public static long[] Shape(ReadOnlySpan<long> a, ReadOnlySpan<long> b, ComputeContext context)
    {
        var shape = new long[Math.Max(a.Length, b.Length)];
        for (var d = 1; d <= shape.Length; d++)
        {
            var (x, y) = (d <= a.Length ? a[^d] : 1, d <= b.Length ? b[^d] : 1);
            if (x != y && x != 1 && y != 1)
                throw new InvalidDataException($"Shapes {TensorShape.Describe(a)} and {TensorShape.Describe(b)} cannot be broadcast together.");
            shape[^d] = x == 1 ? y : x;
        }
        context.CheckSize(shape);
        return shape;
    }
}

using System.Globalization;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Arithmetic on tensor shapes; -1 stands for a size that is known only with the batch.</summary>
internal static class TensorShape
{
    public const long Dynamic = -1;

    /// <summary>
    /// The number of elements, or null when a size is negative or the product of the sizes other than 0 does not fit
    /// into 63 bits.
    /// </summary>
    public static long? ElementCount(ReadOnlySpan<long> shape)
    {
        // Strides are computed past a size of 0, so an empty tensor's other dimensions are limited too.
        var empty = false;
        long count = 1;
        foreach (var size in shape)
        {
            if (size < 0)
                return null;
            if (size == 0)
                empty = true;
            else if (count > long.MaxValue / size)
                return null;
            else
                count *= size;
        }
        return empty ? 0 : count;
    }

    public static string Describe(ReadOnlySpan<long> shape)
    {
        var parts = new string[shape.Length];
        for (var i = 0; i < shape.Length; i++)
            parts[i] = shape[i] == Dynamic ? "?" : shape[i].ToString(CultureInfo.InvariantCulture);
        return $"[{string.Join(", ", parts)}]";
    }
}

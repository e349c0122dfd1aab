using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Computes the error of a quantizer on values in host memory, in one pass. Tensor operations, with a power of any
/// exponent, take ten times as long, and a calibration needs thousands of errors.
/// </summary>
internal static unsafe class QuantizationError
{
    /// <summary>The exponent of the error.</summary>
    public const double Power = 2.4;

    private const int BlockLength = 256;

    /// <summary>Computes the sum of <c>|Q(x) - x|^2.4</c>; infinity once it is larger than a limit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Sum(
        float* values, long count, float scale, QuantizationRange range, double limit = double.PositiveInfinity)
    {
        var (minimum, maximum) = (new Vector<float>(range.Minimum), new Vector<float>(range.Maximum));
        var (scales, total) = (new Vector<float>(scale), 0.0);
        var vectored = count - count % Vector<float>.Count;
        for (long start = 0; start < vectored; start += BlockLength)
        {
            var sum = Vector<float>.Zero;
            for (var i = start; i < Math.Min(start + BlockLength, vectored); i += Vector<float>.Count)
                sum += Errors(Vector.Load(values + i), scales, minimum, maximum);
            total += Vector.Sum(sum);
            if (total > limit)
                return double.PositiveInfinity;
        }
        // The last vector is filled with zeros, which have no error.
        Span<float> last = stackalloc float[Vector<float>.Count];
        last.Clear();
        new ReadOnlySpan<float>(values + vectored, (int)(count - vectored)).CopyTo(last);
        return total + Vector.Sum(Errors(new Vector<float>(last), scales, minimum, maximum));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Errors(
        Vector<float> values, Vector<float> scale, Vector<float> minimum, Vector<float> maximum)
    {
        var difference = Vector.Min(Vector.Max(Vector.Round(values / scale), minimum), maximum) * scale - values;
        var square = difference * difference;
        return square * FifthRoot(square);
    }

    /// <summary>
    /// Computes the fifth root by Newton's method. A fifth of the float's bits, and so of its exponent, gives a first
    /// guess within a few percent.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> FifthRoot(Vector<float> x)
    {
        const int Bias = 0x32C9A8F0;
        // Newton's method would divide by 0 at 0.
        x = Vector.Max(x, new Vector<float>(1e-30f));
        var guess = Vector.ConvertToInt32(Vector.ConvertToSingle(Vector.AsVectorInt32(x)) * 0.2f);
        var root = Vector.AsVectorSingle(guess + new Vector<int>(Bias));
        for (var i = 0; i < 3; i++)
        {
            var square = root * root;
            root = root * 0.8f + x * 0.2f / (square * square);
        }
        return root;
    }
}

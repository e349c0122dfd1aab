using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// The error of a quantizer on values in host memory, in one pass. By tensor operations, with a power of any exponent, it takes ten times as long, and a calibration asks for
/// thousands.
/// </summary>
internal static unsafe class QuantizationError
{
    /// <summary>The exponent.</summary>
    public const double Power = 2.4;

    private const int BlockLength = 256;

    /// <summary>The sum of <c>|Q(x) - x|^2.4</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Sum(float* values, long count, float scale, QuantizationRange range)
    {
        var (least, greatest, scales, total) = (new Vector<float>(range.Minimum), new Vector<float>(range.Maximum), new Vector<float>(scale), 0.0);
        var vectored = count - count % Vector<float>.Count;
        for (long start = 0; start < vectored; start += BlockLength)
        {
            var sum = Vector<float>.Zero;
            for (var i = start; i < Math.Min(start + BlockLength, vectored); i += Vector<float>.Count)
                sum += Errors(Vector.Load(values + i), scales, least, greatest);
            total += Vector.Sum(sum);
        }
        // What is left of the last vector is zero, which has no error.
        Span<float> last = stackalloc float[Vector<float>.Count];
        last.Clear();
        new ReadOnlySpan<float>(values + vectored, (int)(count - vectored)).CopyTo(last);
        return total + Vector.Sum(Errors(new Vector<float>(last), scales, least, greatest));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Errors(Vector<float> values, Vector<float> scale, Vector<float> least, Vector<float> greatest)
    {
        var difference = Vector.Min(Vector.Max(Vector.Round(values / scale), least), greatest) * scale - values;
        var square = difference * difference;
        return square * FifthRoot(square);
    }

    /// <summary>Newton's method, which begins within a few percent: with a fifth of the number's bits, and so of its exponent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> FifthRoot(Vector<float> x)
    {
        const int Bias = 0x32C9A8F0;
        // From 0 on it would divide by 0.
        x = Vector.Max(x, new Vector<float>(1e-30f));
        var root = Vector.AsVectorSingle(Vector.ConvertToInt32(Vector.ConvertToSingle(Vector.AsVectorInt32(x)) * 0.2f) + new Vector<int>(Bias));
        for (var i = 0; i < 3; i++)
        {
            var square = root * root;
            root = root * 0.8f + x * 0.2f / (square * square);
        }
        return root;
    }
}

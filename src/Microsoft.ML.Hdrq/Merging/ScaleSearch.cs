using System.Runtime.Intrinsics;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Finds the scale at which a weight becomes integers with minimum squared error.</summary>
internal static class ScaleSearch
{
    private const int Width = 4;

    /// <summary>The number of values after which an error that is too large ends the sum.</summary>
    private const int Part = 64;

    /// <summary>The number of ranges that are tried, evenly spaced up to that of the weight.</summary>
    private const int Candidates = 100;

    /// <summary>
    /// Finds the best scale, or the best scale of each equal part of the elements; there are as many parts as
    /// <paramref name="scales"/>.
    /// </summary>
    /// <param name="values">The weight, output channels first.</param>
    /// <param name="scales">The scales to begin with, which are kept unless another one is better.</param>
    /// <param name="range">The range of the integers.</param>
    public static double[] Find(double[] values, double[] scales, QuantizationRange range)
    {
        var size = values.Length / scales.Length;
        var found = new double[scales.Length];
        Parallel.For(0, found.Length, part =>
            found[part] = Find(values.AsSpan(part * size, size), scales[part], range));
        return found;
    }

    private static double Find(ReadOnlySpan<double> values, double scale, QuantizationRange range)
    {
        var largest = 0.0;
        foreach (var value in values)
            largest = Math.Max(largest, Math.Abs(value));
        var (best, minimum) = (scale, Error(values, scale, range, double.PositiveInfinity));
        for (var i = 1; i <= Candidates && largest > 0; i++)
        {
            // A symmetric range from -r to r has the scale r / ((maximum - minimum) / 2), as when ranges are observed.
            var candidate = largest * i / Candidates / ((range.Maximum - range.Minimum) / 2.0);
            var error = Error(values, candidate, range, minimum);
            if (error < minimum)
                (best, minimum) = (candidate, error);
        }
        return best;
    }

    private static double Error(ReadOnlySpan<double> values, double scale, QuantizationRange range, double limit)
    {
        // Of the same width everywhere, so that the sum is the same on every CPU.
        var (step, low, high) = (
            Vector256.Create(scale), Vector256.Create((double)range.Minimum), Vector256.Create((double)range.Maximum));
        var error = 0.0;
        var start = 0;
        while (start + Width <= values.Length && error < limit)
        {
            var sum = Vector256<double>.Zero;
            var end = Math.Min(start + Part, values.Length - Width + 1);
            for (; start < end; start += Width)
            {
                var value = Vector256.Create(values.Slice(start, Width));
                var rounded = Vector256.Min(Vector256.Max(Vector256.Round(value / step), low), high);
                var difference = rounded * step - value;
                sum += difference * difference;
            }
            error += Vector256.Sum(sum);
        }
        for (; start < values.Length && error < limit; start++)
        {
            var difference =
                Math.Clamp(Math.Round(values[start] / scale), range.Minimum, range.Maximum) * scale - values[start];
            error += difference * difference;
        }
        return error;
    }
}

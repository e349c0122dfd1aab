using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Finds the scale with which a weight becomes integers at the least squared error.</summary>
internal static class ScaleSearch
{
    /// <summary>How many ranges are tried, evenly spaced up to the weight's own.</summary>
    private const int Candidates = 100;

    /// <summary>The best scale, or one for each of as many equal parts of the elements as there are scales given.</summary>
    /// <param name="values">The weight, output channels first.</param>
    /// <param name="scales">Scales to begin with, which are kept where no other is better.</param>
    /// <param name="range">The integers' range.</param>
    public static double[] Find(double[] values, double[] scales, QuantizationRange range)
    {
        var size = values.Length / scales.Length;
        return [.. scales.Select((scale, part) => Find(values.AsSpan(part * size, size), scale, range))];
    }

    private static double Find(ReadOnlySpan<double> values, double scale, QuantizationRange range)
    {
        var largest = 0.0;
        foreach (var value in values)
            largest = Math.Max(largest, Math.Abs(value));
        var (best, least) = (scale, Error(values, scale, range, double.PositiveInfinity));
        for (var i = 1; i <= Candidates && largest > 0; i++)
        {
            // A symmetric range r has the scale r / ((maximum - minimum) / 2), as when ranges are observed.
            var candidate = largest * i / Candidates / ((range.Maximum - range.Minimum) / 2.0);
            var error = Error(values, candidate, range, least);
            if (error < least)
                (best, least) = (candidate, error);
        }
        return best;
    }

    private static double Error(ReadOnlySpan<double> values, double scale, QuantizationRange range, double limit)
    {
        var error = 0.0;
        foreach (var value in values)
        {
            var difference = Math.Clamp(Math.Round(value / scale), range.Minimum, range.Maximum) * scale - value;
            error += difference * difference;
            if (error >= limit)
                break;
        }
        return error;
    }
}

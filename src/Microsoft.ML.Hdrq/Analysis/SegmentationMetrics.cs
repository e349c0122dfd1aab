using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How well the pixels of images are classified. Pixels whose truth has no class are not counted.</summary>
/// <remarks>
/// Everything follows from the numbers <c>n(i, j)</c> of pixels of class i that were predicted to be of class j, with t(i) the pixels of class i and p(i) those predicted to be (definitions as in
/// Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5). A pixel for which nothing was predicted counts as wrong. Numbers for which there is nothing to
/// divide by are NaN.
/// </remarks>
public sealed class SegmentationMetrics
{
    internal SegmentationMetrics(ImmutableArray<string> classNames, ImmutableArray<ImmutableArray<long>> confusionCounts, ImmutableArray<long> unpredictedCounts)
    {
        ClassNames = classNames;
        ConfusionCounts = confusionCounts;
        UnpredictedCounts = unpredictedCounts;
        var classes = Enumerable.Range(0, classNames.Length).ToArray();
        var hits = classes.Select(c => confusionCounts[c][c]).ToArray();
        var truths = classes.Select(c => confusionCounts[c].Sum() + unpredictedCounts[c]).ToArray();
        var predictions = classes.Select(c => confusionCounts.Sum(row => row[c])).ToArray();
        PixelCount = truths.Sum();
        PerClassIntersectionOverUnion = [.. classes.Select(c => Ratio(hits[c], truths[c] + predictions[c] - hits[c]))];
        PerClassAccuracy = [.. classes.Select(c => Ratio(hits[c], truths[c]))];
        PixelAccuracy = Ratio(hits.Sum(), PixelCount);
        MeanIntersectionOverUnion = MeanOfNumbers(PerClassIntersectionOverUnion);
        MeanClassAccuracy = MeanOfNumbers(PerClassAccuracy);
        // A class without pixels has no weight.
        FrequencyWeightedIntersectionOverUnion = PixelCount == 0 ? double.NaN : classes.Where(c => truths[c] > 0).Sum(c => truths[c] * PerClassIntersectionOverUnion[c]) / PixelCount;
    }

    /// <summary>The names of the classes.</summary>
    public ImmutableArray<string> ClassNames { get; }

    /// <summary>The number of pixels with a class.</summary>
    public long PixelCount { get; }

    /// <summary>The mean intersection over union of the classes, 0 to 1, the higher the better.</summary>
    /// <remarks><c>1/K sum_i n(i, i) / (t(i) + p(i) - n(i, i))</c>, over the K classes that are in the truth or in the predictions.</remarks>
    public double MeanIntersectionOverUnion { get; }

    /// <summary>The intersection over union of each class, 0 to 1; NaN for a class that is neither in the truth nor in the predictions.</summary>
    /// <remarks><c>n(i, i) / (t(i) + p(i) - n(i, i))</c></remarks>
    public ImmutableArray<double> PerClassIntersectionOverUnion { get; }

    /// <summary>The share of pixels whose class was predicted, 0 to 1.</summary>
    /// <remarks><c>sum_i n(i, i) / sum_i t(i)</c></remarks>
    public double PixelAccuracy { get; }

    /// <summary>The mean of the classes' accuracies, 0 to 1.</summary>
    /// <remarks><c>1/K sum_i n(i, i) / t(i)</c>, over the K classes that are in the truth.</remarks>
    public double MeanClassAccuracy { get; }

    /// <summary>The accuracy of each class, 0 to 1; NaN for a class that is not in the truth.</summary>
    /// <remarks><c>n(i, i) / t(i)</c></remarks>
    public ImmutableArray<double> PerClassAccuracy { get; }

    /// <summary>The mean of the classes' intersections over unions weighted by how many pixels they have, 0 to 1.</summary>
    /// <remarks><c>sum_i t(i) n(i, i) / (t(i) + p(i) - n(i, i)) / sum_i t(i)</c></remarks>
    public double FrequencyWeightedIntersectionOverUnion { get; }

    /// <summary>The numbers of pixels of each class, first index, that were predicted to be of each class, second index.</summary>
    public ImmutableArray<ImmutableArray<long>> ConfusionCounts { get; }

    /// <summary>The number of pixels of each class for which nothing was predicted.</summary>
    public ImmutableArray<long> UnpredictedCounts { get; }

    /// <summary>The metrics as a text for people: a line for each class, and one for all.</summary>
    /// <returns>Lines of columns: the class, its intersection over union and accuracy in per cent (a dash where there is none), and its pixels.</returns>
    public string GetFormattedTable()
    {
        var rows = new List<string[]> { new[] { "class", "IoU %", "accuracy %", "pixels" } };
        for (var c = 0; c < ClassNames.Length; c++)
            rows.Add([ClassNames[c], Percent(PerClassIntersectionOverUnion[c]), Percent(PerClassAccuracy[c]), Whole(ConfusionCounts[c].Sum() + UnpredictedCounts[c])]);
        rows.Add(["mean", Percent(MeanIntersectionOverUnion), Percent(MeanClassAccuracy), ""]);
        rows.Add(["all pixels", Percent(FrequencyWeightedIntersectionOverUnion), Percent(PixelAccuracy), Whole(PixelCount)]);
        var widths = Enumerable.Range(0, 4).Select(column => rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
            text.AppendLine(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd());
        return text.ToString();
    }

    private static double Ratio(long part, long whole) => whole == 0 ? double.NaN : (double)part / whole;

    private static double MeanOfNumbers(IEnumerable<double> values) => values.Where(value => !double.IsNaN(value)).DefaultIfEmpty(double.NaN).Average();

    private static string Percent(double value) => double.IsNaN(value) ? "-" : (100 * value).ToString("F2", CultureInfo.InvariantCulture);

    private static string Whole(long value) => value.ToString(CultureInfo.InvariantCulture);
}

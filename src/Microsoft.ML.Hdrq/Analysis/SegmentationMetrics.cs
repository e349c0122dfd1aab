using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Measures how well the pixels of images are classified. Pixels whose true label is not a class are not counted.
/// </summary>
/// <remarks>
/// All metrics follow from the numbers <c>n(i, j)</c> of pixels of class i that were predicted as class j, with t(i)
/// the number of pixels of class i and p(i) the number of pixels predicted as class i (definitions as in Long,
/// Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, section 5). A pixel
/// without a prediction counts as wrong. Ratios with denominator 0 are NaN.
/// </remarks>
public sealed class SegmentationMetrics
{
    internal SegmentationMetrics(
        ImmutableArray<string> classNames, ImmutableArray<ImmutableArray<long>> confusionCounts,
        ImmutableArray<long> unpredictedCounts)
    {
        ClassNames = classNames;
        ConfusionCounts = confusionCounts;
        UnpredictedCounts = unpredictedCounts;
        var classes = Enumerable.Range(0, classNames.Length).ToArray();
        var hits = classes.Select(c => confusionCounts[c][c]).ToArray();
        var truths = classes.Select(c => confusionCounts[c].Sum() + unpredictedCounts[c]).ToArray();
        var predictions = classes.Select(c => confusionCounts.Sum(row => row[c])).ToArray();
        PixelCount = truths.Sum();
        PerClassIntersectionOverUnion =
            [.. classes.Select(c => Ratio(hits[c], truths[c] + predictions[c] - hits[c]))];
        PerClassAccuracy = [.. classes.Select(c => Ratio(hits[c], truths[c]))];
        PixelAccuracy = Ratio(hits.Sum(), PixelCount);
        MeanIntersectionOverUnion = MeanWithoutNaN(PerClassIntersectionOverUnion);
        MeanClassAccuracy = MeanWithoutNaN(PerClassAccuracy);
        // A class without pixels has no weight.
        FrequencyWeightedIntersectionOverUnion = PixelCount == 0
            ? double.NaN
            : classes.Where(c => truths[c] > 0).Sum(c => truths[c] * PerClassIntersectionOverUnion[c]) / PixelCount;
    }

    /// <summary>The names of the classes.</summary>
    public ImmutableArray<string> ClassNames { get; }

    /// <summary>The number of pixels with a class.</summary>
    public long PixelCount { get; }

    /// <summary>The mean intersection over union of the classes, from 0 to 1; higher is better.</summary>
    /// <remarks>
    /// <c>1/K sum_i n(i, i) / (t(i) + p(i) - n(i, i))</c>, over the K classes that occur in the labels or in the
    /// predictions.
    /// </remarks>
    public double MeanIntersectionOverUnion { get; }

    /// <summary>
    /// The intersection over union of each class, from 0 to 1; NaN for a class that occurs neither in the labels nor in
    /// the predictions.
    /// </summary>
    /// <remarks><c>n(i, i) / (t(i) + p(i) - n(i, i))</c></remarks>
    public ImmutableArray<double> PerClassIntersectionOverUnion { get; }

    /// <summary>The share of pixels whose class was predicted, from 0 to 1.</summary>
    /// <remarks><c>sum_i n(i, i) / sum_i t(i)</c></remarks>
    public double PixelAccuracy { get; }

    /// <summary>The mean of the accuracies of the classes, from 0 to 1.</summary>
    /// <remarks><c>1/K sum_i n(i, i) / t(i)</c>, over the K classes that occur in the labels.</remarks>
    public double MeanClassAccuracy { get; }

    /// <summary>The accuracy of each class, from 0 to 1; NaN for a class that does not occur in the labels.</summary>
    /// <remarks><c>n(i, i) / t(i)</c></remarks>
    public ImmutableArray<double> PerClassAccuracy { get; }

    /// <summary>
    /// The mean intersection over union, weighted by the number of pixels of each class, from 0 to 1.
    /// </summary>
    /// <remarks><c>sum_i t(i) n(i, i) / (t(i) + p(i) - n(i, i)) / sum_i t(i)</c></remarks>
    public double FrequencyWeightedIntersectionOverUnion { get; }

    /// <summary>
    /// The number of pixels of each class (first index) that were predicted as each class (second index).
    /// </summary>
    public ImmutableArray<ImmutableArray<long>> ConfusionCounts { get; }

    /// <summary>The number of pixels of each class that have no prediction.</summary>
    public ImmutableArray<long> UnpredictedCounts { get; }

    /// <summary>
    /// Formats the metrics as a text table: a row for each class, one for the means and one for all pixels.
    /// </summary>
    /// <returns>
    /// Rows with the class, its intersection over union and accuracy in per cent (a dash where there is none), and its
    /// number of pixels.
    /// </returns>
    public string GetFormattedTable()
    {
        var rows = new List<string[]> { new[] { "class", "IoU %", "accuracy %", "pixels" } };
        for (var c = 0; c < ClassNames.Length; c++)
        {
            rows.Add(
            [
                ClassNames[c],
                Percent(PerClassIntersectionOverUnion[c]),
                Percent(PerClassAccuracy[c]),
                Whole(ConfusionCounts[c].Sum() + UnpredictedCounts[c]),
            ]);
        }
        rows.Add(["mean", Percent(MeanIntersectionOverUnion), Percent(MeanClassAccuracy), ""]);
        rows.Add(
            ["all pixels", Percent(FrequencyWeightedIntersectionOverUnion), Percent(PixelAccuracy), Whole(PixelCount)]);
        var widths = Enumerable.Range(0, 4).Select(column => rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
            text.AppendLine(string.Join("  ", row.Select(Padded)).TrimEnd());
        return text.ToString();

        string Padded(string cell, int column) =>
            column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]);
    }

    private static double Ratio(long part, long whole) => whole == 0 ? double.NaN : (double)part / whole;

    private static double MeanWithoutNaN(IEnumerable<double> values) =>
        values.Where(value => !double.IsNaN(value)).DefaultIfEmpty(double.NaN).Average();

    private static string Percent(double value) =>
        double.IsNaN(value) ? "-" : (100 * value).ToString("F2", CultureInfo.InvariantCulture);

    private static string Whole(long value) => value.ToString(CultureInfo.InvariantCulture);
}

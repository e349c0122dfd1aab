using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Loss and accuracy of mixtures of networks, along the line between two or over the triangle of three, and the error
/// barrier: how far the loss rises above the line, or the plane, through the losses of the networks. Mixtures are
/// merged by <c>Method</c> of the options; the default is the mean, whose mixtures lie on the straight line between the
/// networks. The ends and corners are the networks themselves.
/// </summary>
/// <remarks>
/// With the mean, <c>barrier = max over lambda of L(sum lambda_d W_d) - sum lambda_d L(W_d)</c>, over the measured
/// points. With other methods, their merged weights take the place of <c>sum lambda_d W_d</c>. The barrier is at least
/// 0, because the networks themselves are among the points. See section 3 of Shin et al., "Merge-Friendly Post-Training
/// Quantization for Multi-Target Domain Adaptation", ICML 2025; compare Frankle et al., "Linear Mode Connectivity and
/// the Lottery Ticket Hypothesis", ICML 2020.
/// </remarks>
public sealed class InterpolationReport
{
    internal InterpolationReport(ImmutableArray<string> names, ImmutableArray<InterpolationPoint> points)
    {
        Names = names;
        Points = points;
        var corners = Enumerable.Range(0, names.Length)
            .Select(d => points.Single(point => point.Weights[d] == 1))
            .ToArray();
        BarrierPoint = points.MaxBy(point => Excess(point, corner => corner.Loss))!;
        Barrier = Excess(BarrierPoint, corner => corner.Loss);
        AccuracyBarrier = Math.Max(0, points.Max(point => -Excess(point, corner => corner.Accuracy)));

        double Excess(InterpolationPoint point, Func<InterpolationPoint, double> value) =>
            value(point) - corners.Select((corner, d) => point.Weights[d] * value(corner)).Sum();
    }

    /// <summary>The networks' names.</summary>
    public ImmutableArray<string> Names { get; }

    /// <summary>The measured mixtures; with two networks, from the first to the second.</summary>
    public ImmutableArray<InterpolationPoint> Points { get; }

    /// <summary>The error barrier, in units of the loss.</summary>
    public double Barrier { get; }

    /// <summary>The mixture with the largest excess loss, which is the barrier.</summary>
    public InterpolationPoint BarrierPoint { get; }

    /// <summary>
    /// The barrier of the accuracy: the maximum fall below the line, or the plane, through the accuracies of the
    /// networks, a fraction.
    /// </summary>
    public double AccuracyBarrier { get; }

    /// <summary>Formats the barrier and the points as text.</summary>
    /// <returns>One line for the barrier, then one for each point.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{string.Join(" - ", Names)}: barrier {Barrier:0.0000} at {Shares(BarrierPoint)}, "
            + $"accuracy falls by {AccuracyBarrier:P2}");
        foreach (var point in Points)
        {
            text.Append(CultureInfo.InvariantCulture, $"{Shares(point)}: ");
            text.AppendLine(CultureInfo.InvariantCulture, $"loss {point.Loss:0.0000}, accuracy {point.Accuracy:P2}");
        }
        return text.ToString();

        static string Shares(InterpolationPoint point) =>
            string.Join(" / ", point.Weights.Select(weight => weight.ToString("0.00", CultureInfo.InvariantCulture)));
    }
}

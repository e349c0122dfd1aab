using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Loss and accuracy of mixtures of networks, from one to the other of two, or over the triangle of three, and the error barrier: how far the loss rises above the line, or the plane, through the networks' own. Mixtures are
/// merged by <c>Method</c> of the options: by default by the mean, which is on the straight line between the networks. The networks themselves are at the ends and corners, as they are.
/// </summary>
/// <remarks>
/// By the mean <c>barrier = max over lambda of L(sum lambda_d W_d) - sum lambda_d L(W_d)</c>, by other methods with what they merge in place of <c>sum lambda_d W_d</c>, at the measured points; 0 at least, because the networks themselves are among them. Section 3 of Shin et al.,
/// "Merge-Friendly Post-Training Quantization for Multi-Target Domain Adaptation", ICML 2025; compare Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020.
/// </remarks>
public sealed class InterpolationReport
{
    internal InterpolationReport(ImmutableArray<string> names, ImmutableArray<InterpolationPoint> points)
    {
        Names = names;
        Points = points;
        var corners = Enumerable.Range(0, names.Length).Select(d => points.Single(point => point.Weights[d] == 1)).ToArray();
        BarrierPoint = points.MaxBy(point => Excess(point, corner => corner.Loss))!;
        Barrier = Excess(BarrierPoint, corner => corner.Loss);
        AccuracyBarrier = Math.Max(0, points.Max(point => -Excess(point, corner => corner.Accuracy)));

        double Excess(InterpolationPoint point, Func<InterpolationPoint, double> value) => value(point) - corners.Select((corner, d) => point.Weights[d] * value(corner)).Sum();
    }

    /// <summary>The networks' names.</summary>
    public ImmutableArray<string> Names { get; }

    /// <summary>The measured mixtures; of two networks from the first to the second.</summary>
    public ImmutableArray<InterpolationPoint> Points { get; }

    /// <summary>The error barrier, in units of the loss.</summary>
    public double Barrier { get; }

    /// <summary>The mixture at which the barrier is.</summary>
    public InterpolationPoint BarrierPoint { get; }

    /// <summary>The same of the accuracy: the most by which it falls below the line through the networks' own, a fraction.</summary>
    public double AccuracyBarrier { get; }

    /// <summary>The barrier and the points as text.</summary>
    /// <returns>Some lines.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{string.Join(" - ", Names)}: barrier {Barrier:0.0000} at {Shares(BarrierPoint)}, accuracy falls by {AccuracyBarrier:P2}");
        foreach (var point in Points)
            text.AppendLine(CultureInfo.InvariantCulture, $"{Shares(point)}: loss {point.Loss:0.0000}, accuracy {point.Accuracy:P2}");
        return text.ToString();

        static string Shares(InterpolationPoint point) => string.Join(" / ", point.Weights.Select(weight => weight.ToString("0.00", CultureInfo.InvariantCulture)));
    }
}

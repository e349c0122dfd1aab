using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Loss, curvature and distance to the source of several networks, side by side, and the error barriers between those
/// that can be merged. The loss of a merged network depends on these:
/// <c>L(W_m) - L(W_d) ~ 1/2 (W_m - W_d)^T H_d (W_m - W_d)</c>.
/// </summary>
public sealed class NetworkComparison
{
    internal NetworkComparison(
        ImmutableArray<NetworkProfile> networks, ImmutableArray<InterpolationReport> interpolations)
    {
        Networks = networks;
        Interpolations = interpolations;
    }

    /// <summary>The networks, in the order in which they were given.</summary>
    public ImmutableArray<NetworkProfile> Networks { get; }

    /// <summary>The lines between networks with equal graphs.</summary>
    public ImmutableArray<InterpolationReport> Interpolations { get; }

    /// <summary>Formats the comparison as Markdown tables.</summary>
    /// <returns>One row for each network, then one for each barrier.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine("| network | loss | accuracy | trace | +- | largest eigenvalue | distance to source |");
        text.AppendLine("|---|---|---|---|---|---|---|");
        foreach (var network in Networks)
        {
            var whole = network.Curvature.Whole;
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {network.Name} | {network.Loss:0.0000} | {network.Accuracy:P2} "
                + $"| {whole.Trace:G4} | {whole.TraceStandardError:G2} | {whole.LargestEigenvalue:G4} "
                + $"| {network.Distance?.Distance:G4} |");
        }
        text.AppendLine();
        text.AppendLine("| between | barrier of the loss | fall of the accuracy |");
        text.AppendLine("|---|---|---|");
        foreach (var line in Interpolations)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {string.Join(" - ", line.Names)} ");
            text.AppendLine(CultureInfo.InvariantCulture, $"| {line.Barrier:0.0000} | {line.AccuracyBarrier:P2} |");
        }
        return text.ToString();
    }
}

using Microsoft.ML.Hdrq.Tool.Charts;
using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Explanations;

/// <summary>What was found out about networks, as charts.</summary>
internal static class ExplanationCharts
{
    /// <summary>
    /// The charts, by the names of their files without extension: the loss between every two networks, on the mean of
    /// their domains; and curvature and distance of all.
    /// </summary>
    public static IEnumerable<(string File, Chart Chart)> Create(IReadOnlyList<Explanation> explanations)
    {
        if (explanations.Count == 0)
            yield break;
        foreach (var (start, end) in explanations[0].Lines.Select(line => (line.From, line.To)).Distinct())
        {
            var lines = explanations.Select(
                explanation => new ChartLine(explanation.Method, Mean(explanation, start, end)));
            var chart = new LineChart($"Loss between the networks of {start} and {end}", [.. lines])
            {
                ValueTitle = $"Cross-entropy, mean of {start} and {end}",
                ArgumentTitle = $"Share of {end}",
                Percent = false,
            };
            yield return (FileNames.Of($"between-{start}+{end}"), chart);
        }
        var domains = explanations[0].Networks.Select(network => network.Domain).ToList();
        yield return ("trace", Bars(
            "Trace of the Hessian at each network, on its own domain", "Trace", network => network.Trace));
        yield return ("distance", Bars(
            "Distance of each network's weights to the source's", "Euclidean distance", network => network.Distance));

        Chart Bars(string title, string value, Func<NetworkExplanation, double> of)
        {
            var bars = explanations.Select(explanation => new ChartBars(
                explanation.Method, [.. explanation.Networks.Select(network => (double?)of(network))]));
            return new GroupedBarChart(title, domains, [.. bars]) { ValueTitle = value, Percent = false };
        }
    }

    private static ChartPoint[] Mean(Explanation explanation, string start, string end) =>
    [
        .. from line in explanation.Lines
           where line.From == start && line.To == end
           from point in line.Points
           group point.Loss by point.Share into points
           orderby points.Key
           select new ChartPoint(points.Key, points.Average()),
    ];
}

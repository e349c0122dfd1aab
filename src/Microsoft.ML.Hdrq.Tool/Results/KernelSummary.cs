using System.Globalization;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>What became of the layers of quantized networks, all networks together.</summary>
internal static class KernelSummary
{
    /// <summary>Layers that are named; of more, the number is said.</summary>
    private const int NamedLayers = 3;

    /// <summary>A line on integer kernels, and one for each reason why a layer has none.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<(string Network, OnnxReport Report)> reports)
    {
        if (reports.Count == 0)
            return [];
        var layers = reports.SelectMany(report => report.Report.Layers).ToList();
        var integers = layers.Count(layer => layer.IsInteger);
        var lines = new List<string>
        {
            string.Create(
                CultureInfo.InvariantCulture,
                $"Integer kernels of ONNX Runtime: {(integers == layers.Count ? "all" : $"{integers} of")} "
                + $"{layers.Count} layers of the {reports.Count} quantized network{(reports.Count == 1 ? "" : "s")}."),
        };
        foreach (var group in layers.Where(layer => !layer.IsInteger).GroupBy(layer => (layer.Reason, layer.Remedy)))
        {
            var names = group.Select(layer => layer.Name).Distinct().ToList();
            var named = names.Count <= NamedLayers ? string.Join(", ", names)
                : $"{string.Join(", ", names.Take(NamedLayers))} and {names.Count - NamedLayers} more";
            lines.Add($"  In floating point: {named}. {group.Key.Reason} {group.Key.Remedy}");
        }
        return lines;
    }
}

using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Explanations;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>The parts of a report that say why networks merge well or badly.</summary>
internal static class ExplanationSections
{
    private const string Errors =
        "After \u00b1 is its standard error: a rise of less than two standard errors is within "
        + "noise, and other images could give none. The fewer images, the larger the error.";

    /// <summary>The loss between every two networks.</summary>
    public static Html Lines(RunReport run, IReadOnlyList<string> methods)
    {
        var lines = run.Explanations
            .SelectMany(explanation => explanation.Lines.Select(line => (explanation.Method, Line: line)))
            .GroupBy(entry => (entry.Line.From, entry.Line.To, entry.Line.On))
            .ToList();
        if (lines.Count == 0)
            return Html.Empty;
        var table = new HtmlTable("Error barriers",
        [
            new("error barrier", IsText: true), new("on", IsText: true),
            .. run.Explanations.Select(explanation => new HtmlTable.Column(explanation.Method)),
        ]);
        foreach (var line in lines)
        {
            table.Add([$"{line.Key.From} to {line.Key.To}", line.Key.On, .. run.Explanations.Select(explanation =>
                Html.Of($"{line.FirstOrDefault(entry => entry.Method == explanation.Method).Line?.Barrier:0.000}"))]);
        }
        var names = run.Explanations.Select(explanation => explanation.Method).Distinct();
        return Html.Of($"""
            <h2>Between two networks</h2>
            <p>The loss of mixtures of two networks, on test images of one of their domains. Its maximum rise above the
            straight line between its ends is the error barrier.</p>
            {HtmlReport.Legend(names.Select(method => (method, Color(methods, method))))}
            <div class="grid">
            {lines.Select(Figure)}
            </div>
            {table.ToHtml()}
            """);

        Html Figure(IGrouping<(string From, string To, string On), (string Method, LineExplanation Line)> line)
        {
            var (from, to, on) = line.Key;
            var plot = SvgPlot.Lines(
                $"Loss from {from} to {to} on {on}", $"share of {to}",
                [.. line.Select(entry => (Color(methods, entry.Method), Points(entry.Line)))],
                share => share.ToString("0.##", CultureInfo.InvariantCulture));
            return Html.Of($"<figure><figcaption>{from} to {to} <span>on {on}</span></figcaption>{plot}</figure>\n");
        }
    }

    private static IReadOnlyList<(double Share, double Loss)> Points(LineExplanation line) =>
        [.. line.Points.Select(point => (point.Share, point.Loss))];

    /// <summary>Curvature and distance of all networks.</summary>
    public static Html Curvature(RunReport run)
    {
        if (run.Explanations.Count == 0)
            return Html.Empty;
        var table = new HtmlTable("Curvature and distance",
            new("method", IsText: true), new("domain", IsText: true), new("loss"), new("trace"), new("\u00b1"),
            new("largest eigenvalue"), new("distance"));
        foreach (var explanation in run.Explanations)
        {
            foreach (var network in explanation.Networks)
            {
                table.Add(
                    explanation.Method, network.Domain, Html.Of($"{network.Loss:0.000}"),
                    Html.Of($"{network.Trace:N0}"), Html.Of($"{network.TraceError:N0}"),
                    Html.Of($"{network.LargestEigenvalue:N0}"), Html.Of($"{network.Distance:0.00}"));
            }
        }
        return Html.Of($"""
            <h2>Curvature and distance</h2>
            <p>Of each network, on test images of its own domain: trace of the Hessian of the loss &#177; its standard
            error, its largest eigenvalue, and the distance of the weights to those of the source. The loss of a merged
            network rises with the curvature and with the square of the distance.</p>
            {table.ToHtml()}
            """);
    }

    /// <summary>The sensitivity of layers.</summary>
    public static Html Layers(RunReport run, IReadOnlyList<string> methods)
    {
        var explained = run.Explanations.Where(explanation => explanation.Layers.Count > 0).ToList();
        if (explained.Count == 0)
            return Html.Empty;
        var (count, domain) = (explained[0].Images, explained[0].Networks[0].Domain);
        var images = count is null ? "test images" : count == 1 ? "1 test image" : $"{count} test images";
        var hasErrors = explained.SelectMany(explanation => explanation.Layers)
            .Any(layer => layer.LossAloneError is not null);
        return Html.Of($"""
            <h2>Sensitivity of layers</h2>
            <p>The rise of the loss of the network for {domain} when only this layer is quantized, the largest first, on
            {images}. {(hasErrors ? Errors : "")}</p>
            {explained.Select(explanation => Method(explanation, Color(methods, explanation.Method)))}
            """);
    }

    private static Html Method(Explanation explanation, int color)
    {
        var maximum = Math.Max(1e-9, explanation.Layers.Max(layer => layer.LossAlone));
        var table = new HtmlTable("Signal-to-noise ratios and losses",
            new("layer", IsText: true), new("bits", IsText: true), new("SNR, dB"), new("loss alone"), new("\u00b1"),
            new("loss saved without"), new("\u00b1"));
        foreach (var layer in explanation.Layers)
        {
            table.Add(
                layer.Name, layer.Bits, Html.Of($"{layer.SignalToNoise:0.0}"),
                Html.Of($"{layer.LossAlone:+0.0000;-0.0000;0.0000}"), Html.Of($"{layer.LossAloneError:0.0000}"),
                Html.Of($"{layer.LossWithout:+0.0000;-0.0000;0.0000}"), Html.Of($"{layer.LossWithoutError:0.0000}"));
        }
        return Html.Of($"""
            <h3>{explanation.Method}</h3>
            <div>{explanation.Layers.Select(Bar)}</div>
            <details><summary>Signal-to-noise ratios, and overrides to paste</summary>
            {table.ToHtml()}
            <pre>{explanation.Overrides}</pre></details>
            """);

        Html Bar(LayerExplanation layer)
        {
            var isNoise = LayerExplanation.IsWithinNoise(layer.LossAlone, layer.LossAloneError);
            var error = layer.LossAloneError is { } value ? Html.Of($" \u00b1 {value:0.000}") : Html.Empty;
            var noise = isNoise ? new Html(" <small>within noise</small>") : Html.Empty;
            return HtmlReport.Bar(
                $"{layer.Name} {layer.Bits}", layer.LossAlone / maximum,
                Html.Of($"{layer.LossAlone:+0.000;-0.000;0.000}{error}{noise}"), color,
                isNoise ? "bar layer noise" : "bar layer");
        }
    }

    private static int Color(IReadOnlyList<string> methods, string method) =>
        Math.Max(0, methods.ToList().IndexOf(method));
}

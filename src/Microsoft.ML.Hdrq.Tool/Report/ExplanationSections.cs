using System.Globalization;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>The parts of a report that say why networks merge well or badly.</summary>
internal static class ExplanationSections
{
    /// <summary>The loss between every two networks.</summary>
    public static Html Lines(RunReport run, IReadOnlyList<string> methods)
    {
        var lines = run.Explanations.SelectMany(explanation => explanation.Lines.Select(line => (explanation.Method, Line: line))).ToList();
        if (lines.Count == 0)
            return Html.Empty;
        return Html.Of($"""
            <h2>Between two networks</h2>
            <p>The loss of mixtures of two networks, on the test images of one of their domains. How far it rises above the straight line between its ends is the error barrier.</p>
            {HtmlReport.Legend(lines.Select(entry => entry.Method).Distinct().Select(method => (method, Color(method))))}
            <div class="grid">
            {lines.GroupBy(entry => (entry.Line.From, entry.Line.To, entry.Line.On)).Select(group => Html.Of($"<figure><figcaption>{group.Key.From} to {group.Key.To} <span>on {group.Key.On}</span></figcaption>{SvgPlot.Lines($"Loss from {group.Key.From} to {group.Key.To} on {group.Key.On}", $"share of {group.Key.To}", [.. group.Select(entry => (Color(entry.Method), (IReadOnlyList<(double, double)>)[.. entry.Line.Points.Select(point => (point.Share, point.Loss))]))], share => share.ToString("0.##", CultureInfo.InvariantCulture))}</figure>"))}
            </div>
            <div class="scroll"><table>
            <tr><th>error barrier</th><th>on</th><th></th>{run.Explanations.Select(explanation => Html.Of($"<th>{explanation.Method}</th>"))}</tr>
            {lines.Select(entry => (entry.Line.From, entry.Line.To, entry.Line.On)).Distinct().Select(line => Html.Of($"<tr><td>{line.From} to {line.To}</td><td>{line.On}</td><td></td>{run.Explanations.Select(explanation => Html.Of($"<td>{explanation.Lines.FirstOrDefault(other => (other.From, other.To, other.On) == line)?.Barrier:0.000}</td>"))}</tr>"))}
            </table></div>
            """);

        int Color(string method) => Math.Max(0, methods.ToList().IndexOf(method));
    }

    /// <summary>Curvature and distance of all networks.</summary>
    public static Html Curvature(RunReport run) => run.Explanations.Count == 0 ? Html.Empty : Html.Of($"""
        <h2>Curvature and distance</h2>
        <p>Of each network on test images of its own domain: trace of the Hessian of the loss (with its standard error), its largest eigenvalue, and the distance of the weights to those of the source.
        A merged network's loss rises with the curvature and with the square of the distance.</p>
        <div class="scroll"><table>
        <tr><th>method</th><th>domain</th><th></th><th>loss</th><th>trace</th><th>&#177;</th><th>largest eigenvalue</th><th>distance</th></tr>
        {run.Explanations.SelectMany(explanation => explanation.Networks.Select(network => Html.Of($"<tr><td>{explanation.Method}</td><td>{network.Domain}</td><td></td><td>{network.Loss:0.000}</td><td>{network.Trace:N0}</td><td>{network.TraceError:N0}</td><td>{network.LargestEigenvalue:N0}</td><td>{network.Distance:0.00}</td></tr>")))}
        </table></div>
        """);

    /// <summary>Which layers hurt.</summary>
    public static Html Layers(RunReport run, IReadOnlyList<string> methods)
    {
        var explained = run.Explanations.Where(explanation => explanation.Layers.Count > 0).ToList();
        if (explained.Count == 0)
            return Html.Empty;
        return Html.Of($"""
            <h2>Which layers hurt</h2>
            <p>The rise of the loss when only this layer is quantized, and the signal-to-noise ratio of its output; {explained[0].Networks[0].Domain}, on test images. The layer that hurts most comes first.</p>
            {explained.Select(explanation => Html.Of($"""
                <h3>{explanation.Method}</h3>
                <div>{explanation.Layers.Select(layer => HtmlReport.Bar($"{layer.Name} {layer.Bits}", layer.LossAlone / Math.Max(1e-9, explanation.Layers.Max(other => other.LossAlone)), string.Create(CultureInfo.InvariantCulture, $"{layer.LossAlone:+0.000;-0.000;0.000}"), Math.Max(0, methods.ToList().IndexOf(explanation.Method))))}</div>
                <details><summary>Signal-to-noise ratios, and exceptions to paste</summary>
                <div class="scroll"><table class="two"><tr><th>layer</th><th>bits</th><th>SNR, dB</th><th>loss alone</th><th>loss saved without</th></tr>
                {explanation.Layers.Select(layer => Html.Of($"<tr><td>{layer.Name}</td><td>{layer.Bits}</td><td>{layer.SignalToNoise:0.0}</td><td>{layer.LossAlone:+0.0000;-0.0000;0.0000}</td><td>{layer.LossWithout:+0.0000;-0.0000;0.0000}</td></tr>"))}</table></div>
                <pre>{explanation.Overrides}</pre></details>
                """))}
            """);
    }
}

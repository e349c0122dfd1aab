using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>Small plots as SVG that takes its colours from the report's style. The charts of <see cref="Charts"/> are pictures for print, with text as outlines and colours of their own; these have text that stays readable on a phone.</summary>
internal static class SvgPlot
{
    private const double Width = 340;
    private const double Height = 210;
    private const double Left = 44;
    private const double Right = 10;
    private const double Top = 8;
    private const double Bottom = 34;

    /// <summary>Lines over an axis.</summary>
    /// <param name="title">For those who cannot see the plot.</param>
    /// <param name="xTitle">What the arguments are.</param>
    /// <param name="lines">The colour of each line, and its points.</param>
    /// <param name="x">How an argument is written.</param>
    public static Html Lines(string title, string xTitle, IReadOnlyList<(int Color, IReadOnlyList<(double X, double Y)> Points)> lines, Func<double, string> x)
    {
        var all = lines.SelectMany(line => line.Points).Where(point => double.IsFinite(point.Y)).ToList();
        if (all.Count == 0)
            return Html.Empty;
        var (least, most) = (all.Min(point => point.X), all.Max(point => point.X));
        if (most == least)
            (least, most) = (least - 1, most + 1);
        var (bottom, step, ticks) = Ticks(all.Min(point => point.Y), all.Max(point => point.Y));
        var top = bottom + step * ticks;
        var body = new StringBuilder();
        for (var tick = 0; tick <= ticks; tick++)
        {
            var y = Y(bottom + tick * step);
            body.Append(Html.Of($"<path class='axis' d='M{Left} {y:0.#}H{Width - Right}'/><text x='{Left - 6}' y='{y + 4:0.#}' text-anchor='end'>{Number(bottom + tick * step, step)}</text>").Text);
        }
        foreach (var value in all.Select(point => point.X).Distinct().Order() is var values && values.Count() <= 6 ? values : new[] { least, (least + most) / 2, most }.AsEnumerable())
            body.Append(Html.Of($"<text x='{X(value):0.#}' y='{Height - 18}' text-anchor='middle'>{x(value)}</text>").Text);
        body.Append(Html.Of($"<text x='{(Left + Width - Right) / 2}' y='{Height - 3}' text-anchor='middle'>{xTitle}</text>").Text);
        foreach (var (color, points) in lines)
        {
            var known = points.Where(point => double.IsFinite(point.Y)).ToList();
            var path = string.Join('L', known.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.X):0.#} {Y(point.Y):0.#}")));
            body.Append(Html.Of($"<path d='M{path}' fill='none' stroke='{ReportStyle.Color(color)}' stroke-width='2' stroke-linejoin='round'/>").Text);
            foreach (var point in known)
                body.Append(Html.Of($"<circle cx='{X(point.X):0.#}' cy='{Y(point.Y):0.#}' r='3' fill='{ReportStyle.Color(color)}'/>").Text);
        }
        return Picture(title, Height, body);

        double X(double value) => Left + 8 + (value - least) / (most - least) * (Width - Left - Right - 16);

        double Y(double value) => Top + (top - value) / (top - bottom) * (Height - Top - Bottom);
    }

    /// <summary>A histogram with logarithmic heights, and lines where values are clipped.</summary>
    public static Html Histogram(string title, IReadOnlyList<long> counts, double start, double end, double least, double greatest, int color)
    {
        const double height = 90;
        const double floor = height - 18;
        var most = Math.Log(1 + counts.Max());
        var body = new StringBuilder();
        var path = new StringBuilder();
        var width = Width / counts.Count;
        for (var bin = 0; bin < counts.Count; bin++)
        {
            if (counts[bin] > 0)
                path.Append(CultureInfo.InvariantCulture, $"M{bin * width:0.#} {floor:0.#}v{-Math.Log(1 + counts[bin]) / most * (floor - 4):0.#}h{width:0.#}V{floor:0.#}z");
        }
        body.Append(Html.Of($"<path d='{path.ToString()}' fill='{ReportStyle.Color(color)}'/><path class='axis' d='M0 {floor}H{Width}'/>").Text);
        foreach (var (value, anchor) in new[] { (least, "start"), (greatest, "end") })
        {
            var x = (value - start) / (end - start) * Width;
            body.Append(Html.Of($"<path class='clip' d='M{x:0.#} 0V{floor}'/><text x='{x:0.#}' y='{height - 4}' text-anchor='{anchor}'>{value:G3}</text>").Text);
        }
        return Picture(title, height, body);
    }

    private static Html Picture(string title, double height, StringBuilder body) =>
        Html.Of($"<svg viewBox='0 0 {Width} {height}' role='img' aria-label='{title}'><title>{title}</title>{new Html(body.ToString())}</svg>");

    private static string Number(double value, double step) =>
        value.ToString(step >= 1 ? "0" : step >= 0.1 ? "0.0" : step >= 0.01 ? "0.00" : "0.000", CultureInfo.InvariantCulture);

    /// <summary>A round step of which three to six cover the values.</summary>
    private static (double Bottom, double Step, int Count) Ticks(double least, double most)
    {
        if (most <= least)
            (least, most) = (least - Math.Max(1e-3, Math.Abs(least) * 0.1), most + Math.Max(1e-3, Math.Abs(most) * 0.1));
        var raw = (most - least) / 4;
        var power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        var step = new[] { 1, 2, 5, 10 }.First(factor => factor * power >= raw) * power;
        var bottom = Math.Floor(least / step) * step;
        return (bottom, step, (int)Math.Ceiling((most - bottom) / step - 1e-9));
    }
}

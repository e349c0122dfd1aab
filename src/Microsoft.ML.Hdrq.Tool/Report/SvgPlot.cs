using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Analysis;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>
/// Small plots as SVG that takes its colours from the report's style. The charts of <see cref="Charts"/> are pictures
/// for print, with text as outlines and colours of their own; these have text that stays readable on a phone.
/// </summary>
internal static class SvgPlot
{
    private const double Width = 340;
    private const double Height = 210;
    private const double Left = 44;
    private const double Right = 10;
    private const double Top = 8;
    private const double Bottom = 38;

    /// <summary>Values that are all written at an axis; of more, the ends and the middle are.</summary>
    private const int MaximumTicks = 6;

    /// <summary>Letters of a title that fit below an axis.</summary>
    private const int MaximumTitle = 46;

    /// <summary>About the width of a digit below a histogram.</summary>
    private const double DigitWidth = 9;

    /// <summary>Lines over an axis.</summary>
    /// <param name="title">For those who cannot see the plot.</param>
    /// <param name="xTitle">What the arguments are.</param>
    /// <param name="lines">The colour of each line, and its points.</param>
    /// <param name="x">How an argument is written.</param>
    public static Html Lines(
        string title, string xTitle, IReadOnlyList<(int Color, IReadOnlyList<(double X, double Y)> Points)> lines,
        Func<double, string> x)
    {
        var all = lines.SelectMany(line => line.Points).Where(point => double.IsFinite(point.Y)).ToList();
        if (all.Count == 0)
            return Html.Empty;
        var (minimum, maximum) = (all.Min(point => point.X), all.Max(point => point.X));
        if (maximum == minimum)
            (minimum, maximum) = (minimum - 1, maximum + 1);
        var (bottom, step, ticks) = Ticks(all.Min(point => point.Y), all.Max(point => point.Y));
        var top = bottom + step * ticks;
        var body = new StringBuilder();
        for (var tick = 0; tick <= ticks; tick++)
        {
            var value = bottom + tick * step;
            Add(Html.Of($"<path class='axis' d='M{Left} {Y(value):0.#}H{Width - Right}'/>"));
            Add(Html.Of($"<text x='{Left - 6}' y='{Y(value) + 4:0.#}' text-anchor='end'>{Number(value, step)}</text>"));
        }
        var values = all.Select(point => point.X).Distinct().Order().ToList();
        if (values.Count > MaximumTicks)
            values = [minimum, (minimum + maximum) / 2, maximum];
        foreach (var value in values)
            Add(Html.Of($"<text x='{X(value):0.#}' y='{Height - 22}' text-anchor='middle'>{x(value)}</text>"));
        var below = xTitle.Length <= MaximumTitle ? xTitle : $"{xTitle[..(MaximumTitle - 1)]}…";
        Add(Html.Of($"<text x='{(Left + Width - Right) / 2}' y='{Height - 6}' text-anchor='middle'>{below}</text>"));
        foreach (var (color, points) in lines)
        {
            var known = points
                .Where(point => double.IsFinite(point.Y))
                .Select(point => (X: X(point.X), Y: Y(point.Y)))
                .ToList();
            var path = string.Join(
                'L', known.Select(point => FormattableString.Invariant($"{point.X:0.#} {point.Y:0.#}")));
            var css = ReportStyle.Color(color);
            Add(Html.Of($"<path d='M{path}' fill='none' stroke='{css}' stroke-width='2' stroke-linejoin='round'/>"));
            foreach (var point in known)
                Add(Html.Of($"<circle cx='{point.X:0.#}' cy='{point.Y:0.#}' r='3' fill='{css}'/>"));
        }
        return Picture(title, Height, body);

        void Add(Html piece) => body.Append(piece.Text);

        double X(double value) => Left + 8 + (value - minimum) / (maximum - minimum) * (Width - Left - Right - 16);

        double Y(double value) => Top + (top - value) / (top - bottom) * (Height - Top - Bottom);
    }

    /// <summary>A histogram with logarithmic heights, and lines where values are clipped.</summary>
    /// <param name="title">For those who cannot see the plot.</param>
    /// <param name="histogram">The histogram.</param>
    /// <param name="color">The colour.</param>
    public static Html Histogram(string title, QuantizerHistogram histogram, int color)
    {
        const double height = 90;
        const double floor = height - 18;
        var counts = histogram.Counts;
        var highest = Math.Log(1 + counts.Max());
        var path = new StringBuilder();
        var width = Width / counts.Length;
        for (var bin = 0; bin < counts.Length; bin++)
        {
            if (counts[bin] == 0)
                continue;
            var bar = Math.Log(1 + counts[bin]) / highest * (floor - 4);
            path.Append(
                CultureInfo.InvariantCulture, $"M{bin * width:0.#} {floor:0.#}v{-bar:0.#}h{width:0.#}V{floor:0.#}z");
        }
        var body = new StringBuilder();
        body.Append(Html.Of($"<path d='{path.ToString()}' fill='{ReportStyle.Color(color)}'/>").Text);
        body.Append(Html.Of($"<path class='axis' d='M0 {floor}H{Width}'/>").Text);
        var (low, high) = (Text(histogram.Minimum), Text(histogram.Maximum));
        // Each text begins or ends at its line, but inside of the picture and apart from the other.
        var lowEnd = Math.Min(X(histogram.Minimum) + low.Length * DigitWidth, Width - (high.Length + 1) * DigitWidth);
        var highEnd = Math.Max(X(histogram.Maximum), lowEnd + (high.Length + 1) * DigitWidth);
        var texts = new[] { (histogram.Minimum, low, lowEnd), (histogram.Maximum, high, highEnd) };
        foreach (var (value, text, end) in texts)
        {
            body.Append(Html.Of($"<path class='clip' d='M{X(value):0.#} 0V{floor}'/>").Text);
            body.Append(Html.Of($"<text x='{end:0.#}' y='{height - 4}' text-anchor='end'>{text}</text>").Text);
        }
        return Picture(title, height, body);

        double X(double value) => (value - histogram.Start) / (histogram.End - histogram.Start) * Width;

        static string Text(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
    }

    private static Html Picture(string title, double height, StringBuilder body) => Html.Of($"""
        <svg viewBox="0 0 {Width} {height}" role="img" aria-label="{title}"><title>{title}</title>
        {new Html(body.ToString())}</svg>
        """);

    private static string Number(double value, double step)
    {
        var format = step >= 1 ? "0" : step >= 0.1 ? "0.0" : step >= 0.01 ? "0.00" : "0.000";
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    /// <summary>A round step of which three to six cover the values.</summary>
    private static (double Bottom, double Step, int Count) Ticks(double minimum, double maximum)
    {
        if (maximum <= minimum)
        {
            var margin = Math.Max(1e-3, Math.Abs(minimum) * 0.1);
            (minimum, maximum) = (minimum - margin, maximum + margin);
        }
        var raw = (maximum - minimum) / 4;
        var power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        var step = new[] { 1, 2, 5, 10 }.First(factor => factor * power >= raw) * power;
        var bottom = Math.Floor(minimum / step) * step;
        return (bottom, step, (int)Math.Ceiling((maximum - bottom) / step - 1e-9));
    }
}

using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>Lines with markers over a numeric axis, with error bars where a value has a spread.</summary>
internal sealed class LineChart : Chart
{
    private const double MarkerSize = 5.5;

    // Different shapes, so that lines differ without their colours too.
    private static readonly MarkerType[] _markers =
        [MarkerType.Circle, MarkerType.Square, MarkerType.Triangle, MarkerType.Diamond];

    private readonly ChartLine[] _series;

    /// <param name="title">The title.</param>
    /// <param name="series">The lines; at least one has a point.</param>
    /// <exception cref="ArgumentException">There is nothing to show, or a number is not finite.</exception>
    public LineChart(string title, IReadOnlyList<ChartLine> series)
        : base(title)
    {
        ArgumentNullException.ThrowIfNull(series);
        if (!series.Any(line => line.Points.Count > 0))
            throw new ArgumentException($"The chart '{title}' has no points.", nameof(series));
        foreach (var line in series)
        {
            if (!line.Points.All(point => double.IsFinite(point.X) && double.IsFinite(point.Y)
                && double.IsFinite(point.Spread) && point.Spread >= 0))
            {
                throw new ArgumentException(
                    $"A point of the series '{line.Name}' of the chart '{title}' is not finite, or its spread is "
                    + "negative.", nameof(series));
            }
        }
        _series = [.. series];
    }

    /// <summary>What the arguments are, such as <c>Bits</c>; null for no title at the axis.</summary>
    public string? ArgumentTitle { get; init; }

    /// <inheritdoc/>
    protected override double LegendSymbolLength => 30;

    private IEnumerable<ChartPoint> Points => _series.SelectMany(line => line.Points);

    /// <inheritdoc/>
    protected override ValueExtent Values(OxySize area) => new(
        Points.Min(point => point.Y - point.Spread), Points.Max(point => point.Y + point.Spread), 2 * MarkerSize,
        2 * MarkerSize);

    /// <inheritdoc/>
    protected override void AddTo(PlotModel model, OxySize area)
    {
        model.Axes.Add(Styled(new LinearAxis
        {
            Position = AxisPosition.Bottom,
            Title = ArgumentTitle,
            MinimumPadding = 0.05,
            MaximumPadding = 0.05,
            // No ticks between whole numbers, such as bits.
            MinimumMajorStep = Points.All(point => double.IsInteger(point.X)) ? 1 : 0,
        }));
        for (var index = 0; index < _series.Length; index++)
        {
            var color = SeriesColors.Of(index);
            model.Series.Add(ErrorBars(_series[index].Points, color));
            var line = new LineSeries
            {
                Title = _series[index].Name,
                Color = color,
                StrokeThickness = 2.5,
                LineJoin = LineJoin.Round,
                MarkerType = _markers[index % _markers.Length],
                MarkerSize = MarkerSize,
                MarkerFill = color,
                MarkerStroke = OxyColors.White,
            };
            line.Points.AddRange(_series[index].Points.Select(point => new DataPoint(point.X, point.Y)));
            model.Series.Add(line);
        }
    }

    private static ScatterErrorSeries ErrorBars(IEnumerable<ChartPoint> points, OxyColor color)
    {
        var bars = new ScatterErrorSeries
        {
            MarkerType = MarkerType.None,
            ErrorBarColor = color,
            ErrorBarStrokeThickness = 1.5,
            ErrorBarStopWidth = 5,
        };
        // OxyPlot's error is the whole length of the bar.
        bars.Points.AddRange(points
            .Where(point => point.Spread > 0)
            .Select(point => new ScatterErrorPoint(point.X, point.Y, 0, 2 * point.Spread)));
        return bars;
    }
}

using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>Bars in groups: one group per category, in each one bar per series.</summary>
internal sealed class GroupedBarChart : Chart
{
    /// <summary>The part of a group's room that its bars take; the rest separates it from its neighbours.</summary>
    private const double GroupWidth = 0.76;

    /// <summary>The part of a bar's room that stays empty.</summary>
    private const double BarGap = 0.06;

    /// <summary>The longest name that stands aslant, in logical pixels.</summary>
    private const double LongestAslant = 120;

    private readonly string[] _categories;
    private readonly ChartBars[] _series;

    /// <param name="title">The title.</param>
    /// <param name="categories">The names of the groups, at least one.</param>
    /// <param name="series">The series, at least one, each with a value or a gap per group; not all gaps.</param>
    /// <exception cref="ArgumentException">
    /// There is nothing to show, numbers of values differ from that of groups, or a value is not finite.
    /// </exception>
    public GroupedBarChart(string title, IReadOnlyList<string> categories, IReadOnlyList<ChartBars> series)
        : base(title)
    {
        ArgumentNullException.ThrowIfNull(categories);
        ArgumentNullException.ThrowIfNull(series);
        if (categories.Count == 0)
            throw new ArgumentException($"The chart '{title}' has no groups.", nameof(categories));
        foreach (var bars in series)
        {
            if (bars.Values.Count != categories.Count)
            {
                throw new ArgumentException(
                    $"The chart '{title}' has {categories.Count} groups, its series '{bars.Name}' {bars.Values.Count} "
                    + "values.", nameof(series));
            }
            if (bars.Values.Any(value => value is { } number && !double.IsFinite(number)))
            {
                throw new ArgumentException(
                    $"A value of the series '{bars.Name}' of the chart '{title}' is not finite.", nameof(series));
            }
        }
        if (!series.Any(bars => bars.Values.Any(value => value.HasValue)))
            throw new ArgumentException($"The chart '{title}' has no values.", nameof(series));
        _categories = [.. categories];
        _series = [.. series];
    }

    /// <summary>
    /// Whether the values stand at the ends of their bars; they do not where bars are too narrow for numbers.
    /// </summary>
    public bool ShowValues { get; init; }

    /// <summary>The format of values at bars, a .NET numeric format.</summary>
    public string ValueFormat { get; init; } = "0.0";

    /// <summary>Width of a bar with its gap, in categories.</summary>
    private double BarWidth => GroupWidth / _series.Length;

    private IEnumerable<double> AllValues => _series.SelectMany(bars => bars.Values).OfType<double>();

    /// <inheritdoc/>
    protected override ValueExtent Values(OxySize area)
    {
        var room = Labels(area)?.Length ?? 0;
        return new(
            Math.Min(0, AllValues.Min()), Math.Max(0, AllValues.Max()), AllValues.Any(value => value < 0) ? room : 0,
            AllValues.Any(value => value >= 0) ? room : 0);
    }

    /// <inheritdoc/>
    protected override void AddTo(PlotModel model, OxySize area)
    {
        model.Axes.Add(CategoryAxis(area));
        var labels = Labels(area);
        for (var index = 0; index < _series.Length; index++)
        {
            var bars = new RectangleBarSeries
            {
                Title = _series[index].Name,
                FillColor = SeriesColors.Of(index),
                StrokeThickness = 0,
            };
            model.Series.Add(bars);
            for (var category = 0; category < _categories.Length; category++)
            {
                if (_series[index].Values[category] is not { } value)
                    continue;
                var center = category + (index + 0.5 - _series.Length / 2.0) * BarWidth;
                var halfWidth = BarWidth * (1 - BarGap) / 2;
                bars.Items.Add(new RectangleBarItem(center - halfWidth, 0, center + halfWidth, value));
                if (labels is not null)
                    model.Annotations.Add(labels.At(center, value, Label(value)));
            }
        }
    }

    private BarLabels? Labels(OxySize area) =>
        ShowValues ? BarLabels.Fit(AllValues.Select(Label), area.Width / _categories.Length * BarWidth) : null;

    /// <summary>The names of the groups: level, in lines, where all words fit, else aslant.</summary>
    private CategoryAxis CategoryAxis(OxySize area)
    {
        var room = 0.95 * area.Width / _categories.Length;
        double Measure(string text) => ChartFont.Regular.Width(text, (float)FontSize);
        var wrapped = Array.ConvertAll(_categories, category => TextFit.Wrap(category, room, Measure));
        var fits = wrapped.SelectMany(ChartFont.Lines).All(line => Measure(line) <= room);
        var axis = Styled(new CategoryAxis { Position = AxisPosition.Bottom, Angle = fits ? 0 : -40 });
        axis.Labels.AddRange(
            fits ? wrapped : _categories.Select(category => TextFit.Shorten(category, LongestAslant, Measure)));
        return axis;
    }

    private string Label(double value) => value.ToString(ValueFormat, CultureInfo.InvariantCulture);
}

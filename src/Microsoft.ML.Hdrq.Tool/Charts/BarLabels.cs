using OxyPlot;
using OxyPlot.Annotations;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>How values stand at the ends of bars, so that neighbours do not touch.</summary>
internal sealed class BarLabels
{
    private const double FontSize = 14;
    private const double SmallestFontSize = 10;

    /// <summary>Between labels, and between bars and upended labels.</summary>
    private const double Distance = 4;

    /// <summary>
    /// Between bars and level labels, whose lines have room of their own: enough that a label's ground does not cut
    /// into the bar.
    /// </summary>
    private const double LevelDistance = 1;

    private readonly double _fontSize;
    private readonly bool _upended;

    private BarLabels(double fontSize, bool upended, double length)
    {
        _fontSize = fontSize;
        _upended = upended;
        Length = length;
    }

    /// <summary>How far a label reaches from its bar, in logical pixels.</summary>
    public double Length { get; }

    /// <summary>
    /// Labels as large as bars allow: level where they fit, else upended; null where bars are too narrow for either.
    /// </summary>
    /// <param name="texts">All texts.</param>
    /// <param name="barWidth">From one bar to the next, in logical pixels.</param>
    public static BarLabels? Fit(IEnumerable<string> texts, double barWidth)
    {
        var font = ChartFont.Regular;
        var widest = texts.Max(text => font.Width(text, 1));
        var level = Math.Min(FontSize, (barWidth - Distance) / widest);
        if (level >= SmallestFontSize)
            return new BarLabels(level, upended: false, LevelDistance + font.LineHeight((float)level));
        // Digits fill little of the height of a line: the size of the font is enough.
        var uprightSize = Math.Min(FontSize, barWidth * 0.9);
        return uprightSize >= SmallestFontSize
            ? new BarLabels(uprightSize, upended: true, 2 * Distance + widest * uprightSize) : null;
    }

    /// <summary>The label of a bar.</summary>
    /// <param name="center">Where the bar is, on the axis of categories.</param>
    /// <param name="value">Where it ends, on the axis of values.</param>
    /// <param name="text">The label.</param>
    public TextAnnotation At(double center, double value, string text)
    {
        var below = value < 0;
        var distance = _upended ? Distance : LevelDistance;
        return new TextAnnotation
        {
            Text = text,
            TextPosition = new DataPoint(center, value),
            FontSize = _fontSize,
            TextRotation = _upended ? -90 : 0,
            TextHorizontalAlignment = !_upended ? HorizontalAlignment.Center
                : below ? HorizontalAlignment.Right : HorizontalAlignment.Left,
            TextVerticalAlignment = _upended ? VerticalAlignment.Middle
                : below ? VerticalAlignment.Top : VerticalAlignment.Bottom,
            Offset = new ScreenVector(0, below ? distance : -distance),
            // No grid line behind a number; an upended one has no room for that.
            Background = _upended ? OxyColors.Undefined : OxyColors.White,
            StrokeThickness = 0,
            Padding = new OxyThickness(0),
        };
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks.Files;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>
/// A chart of several series with a legend, written as PNG or SVG. Its text is drawn as outlines: no font need be
/// installed.
/// </summary>
internal abstract class Chart
{
    /// <summary>Width of the chart in logical pixels.</summary>
    public const int Width = 960;

    /// <summary>Height of the chart in logical pixels.</summary>
    public const int Height = 540;

    /// <summary>Pixels of a PNG per logical pixel.</summary>
    public const int PngScale = 2;

    /// <summary>Size of the text of axes and legend.</summary>
    protected const double FontSize = 15;

    private const double TitleFontSize = 21;
    private const double Margin = 20;

    /// <summary>
    /// Plots drawn to find the size of their area: texts that depend on it change it in turn, by little.
    /// </summary>
    private const int LayoutPasses = 2;

    private static readonly OxyColor _textColor = OxyColor.FromRgb(0x33, 0x33, 0x33);
    private static readonly OxyColor _gridColor = OxyColor.FromRgb(0xE3, 0xE3, 0xE3);
    private static readonly OxyColor _baselineColor = OxyColor.FromRgb(0x80, 0x80, 0x80);

    /// <param name="title">The title; long ones are broken into lines.</param>
    protected Chart(string title)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(title);
        Title = title;
    }

    /// <summary>The title.</summary>
    public string Title { get; }

    /// <summary>What the values are, such as <c>Top-1 accuracy, %</c>; null for no title at the axis.</summary>
    public string? ValueTitle { get; init; }

    /// <summary>
    /// Whether the axis of values shows 0 to 100, and more only where values ask for it; otherwise it fits the values.
    /// </summary>
    public bool Percent { get; init; } = true;

    /// <summary>Writes the chart as PNG; the file is replaced whole or not at all.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    public void SavePng(string path) => WholeFile.Write(path, ToPng());

    /// <summary>Writes the chart as SVG; the file is replaced whole or not at all.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    public void SaveSvg(string path) => WholeFile.Write(path, ToSvg());

    /// <summary>
    /// The chart as PNG file, <see cref="PngScale"/> times <see cref="Width"/> by <see cref="Height"/>.
    /// </summary>
    public byte[] ToPng()
    {
        // Opaque, so that the encoder writes three channels.
        var size = new SKImageInfo(Width * PngScale, Height * PngScale, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var surface = SKSurface.Create(size);
        Draw(surface.Canvas, RenderTarget.PixelGraphic, PngScale);
        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    /// <summary>The chart as SVG file.</summary>
    public byte[] ToSvg()
    {
        using var drawn = new MemoryStream();
        using (var canvas = SKSvgCanvas.Create(SKRect.Create(Width, Height), drawn))
            Draw(canvas, RenderTarget.VectorGraphic, 1);
        drawn.Position = 0;
        return SvgDocument.Finish(drawn, Title, Width, Height);
    }

    /// <summary>Width of the symbols in the legend.</summary>
    protected virtual double LegendSymbolLength => 20;

    /// <summary>The values, with the room that is drawn on around them.</summary>
    /// <param name="area">The size of the plot's area.</param>
    protected abstract ValueExtent Values(OxySize area);

    /// <summary>Adds to a plot, which has an axis of values, the other axis and the series.</summary>
    /// <param name="model">The plot.</param>
    /// <param name="area">The size of the plot's area.</param>
    protected abstract void AddTo(PlotModel model, OxySize area);

    /// <summary>An axis in the style of all.</summary>
    protected static T Styled<T>(T axis)
        where T : Axis
    {
        axis.IsPanEnabled = axis.IsZoomEnabled = false;
        axis.TickStyle = TickStyle.None;
        axis.AxisTitleDistance = 10;
        axis.AxisTickToLabelDistance = 8;
        return axis;
    }

    private void Draw(SKCanvas canvas, RenderTarget target, float scale)
    {
        var area = new OxySize(Width, Height);
        for (var pass = 0; pass < LayoutPasses; pass++)
        {
            using var nothing = new SKNoDrawCanvas(Width, Height);
            area = Draw(nothing, RenderTarget.VectorGraphic, 1, area);
        }
        canvas.Clear(SKColors.White);
        Draw(canvas, target, scale, area);
    }

    /// <summary>Draws the plot and returns the size that its area really has.</summary>
    private OxySize Draw(SKCanvas canvas, RenderTarget target, float scale, OxySize area)
    {
        using var context = new OutlineRenderContext { SkCanvas = canvas, RenderTarget = target, DpiScale = scale };
        var model = CreateModel(area);
        IPlotModel plot = model;
        plot.Update(true);
        plot.Render(context, new OxyRect(0, 0, Width, Height));
        // OxyPlot draws its exceptions into the plot.
        if (model.GetLastPlotException() is { } exception)
        {
            throw new InvalidOperationException(
                $"The chart '{Title}' could not be drawn: {exception.Message}", exception);
        }
        return new OxySize(model.PlotArea.Width, model.PlotArea.Height);
    }

    private PlotModel CreateModel(OxySize area)
    {
        var model = new PlotModel
        {
            Title = TextFit.Wrap(
                Title, Width - 2 * Margin, line => ChartFont.Semibold.Width(line, (float)TitleFontSize)),
            TitleFontSize = TitleFontSize,
            TitleFontWeight = FontWeights.Bold,
            TitlePadding = 8,
            TitleHorizontalAlignment = TitleHorizontalAlignment.CenteredWithinView,
            TextColor = _textColor,
            DefaultFontSize = FontSize,
            Culture = CultureInfo.InvariantCulture,
            Padding = new OxyThickness(Margin),
            PlotAreaBorderThickness = new OxyThickness(0),
        };
        model.Legends.Add(new Legend
        {
            LegendPlacement = LegendPlacement.Outside,
            LegendPosition = LegendPosition.TopCenter,
            LegendOrientation = LegendOrientation.Horizontal,
            LegendSymbolLength = LegendSymbolLength,
            LegendSymbolMargin = 6,
            LegendItemSpacing = 28,
            LegendPadding = 0,
            LegendMargin = 14,
            AllowUseFullExtent = true,
        });
        // Without values of its own, an automatic axis asks for nothing.
        var (low, high) = Values(area).Fit(
            Percent ? 0 : double.PositiveInfinity, Percent ? 100 : double.NegativeInfinity, area.Height);
        model.Axes.Add(Styled(new LinearAxis
        {
            Position = AxisPosition.Left,
            Title = ValueTitle is null ? null
                : TextFit.Wrap(ValueTitle, area.Height, line => ChartFont.Regular.Width(line, (float)FontSize)),
            Minimum = low,
            Maximum = high,
            MajorStep = Percent && high - low < 200 ? 20 : double.NaN,
            MajorGridlineStyle = LineStyle.Solid,
            MajorGridlineColor = _gridColor,
        }));
        AddTo(model, area);
        model.Annotations.Add(new LineAnnotation
        {
            Type = LineAnnotationType.Horizontal,
            Y = Math.Clamp(0, low, high),
            Color = _baselineColor,
            LineStyle = LineStyle.Solid,
            StrokeThickness = 1,
        });
        KeepBraces(model);
        return model;
    }

    /// <summary>
    /// OxyPlot raises what is between <c>^{</c> and <c>}</c> and lowers what is after <c>_{</c>; names mean neither.
    /// </summary>
    private static void KeepBraces(PlotModel model)
    {
        model.Title = Kept(model.Title);
        foreach (var axis in model.Axes)
        {
            axis.Title = Kept(axis.Title);
            if (axis is CategoryAxis categories)
            {
                for (var index = 0; index < categories.Labels.Count; index++)
                    categories.Labels[index] = Kept(categories.Labels[index]);
            }
        }
        foreach (var series in model.Series)
            series.Title = Kept(series.Title);

        [return: NotNullIfNotNull(nameof(text))]
        static string? Kept(string? text) => text?
            .Replace("^{", $"^{ChartFont.Nothing}{{", StringComparison.Ordinal)
            .Replace("_{", $"_{ChartFont.Nothing}{{", StringComparison.Ordinal);
    }
}

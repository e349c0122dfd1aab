using System.Text;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>
/// A font of the charts, as outlines: it comes with the program, so that a chart looks the same whatever fonts a
/// machine has.
/// </summary>
internal sealed class ChartFont
{
    /// <summary>A character that is not drawn, a word joiner.</summary>
    public const char Nothing = '\u2060';

    /// <summary>Weights from here on are drawn with <see cref="Semibold"/>.</summary>
    private const double SemiboldWeight = 600;

    private static readonly Lazy<ChartFont> _regular = new(() => new("OpenSans-Regular.ttf"));
    private static readonly Lazy<ChartFont> _semibold = new(() => new("OpenSans-Semibold.ttf"));

    private readonly SKTypeface _typeface;
    private readonly ushort _missing;
    private readonly float _ascent;
    private readonly float _lineHeight;

    private ChartFont(string file)
    {
        using var stream = typeof(ChartFont).Assembly.GetManifestResourceStream(typeof(ChartFont), file)
            ?? throw new InvalidOperationException(
                $"The assembly has no resource '{typeof(ChartFont).Namespace}.{file}'.");
        _typeface = SKTypeface.FromStream(stream)
            ?? throw new InvalidOperationException($"The resource '{file}' is no font.");
        _missing = _typeface.GetGlyph('?');
        using var font = CreateFont();
        _ascent = -font.Metrics.Ascent / _typeface.UnitsPerEm;
        _lineHeight = font.Spacing / _typeface.UnitsPerEm;
    }

    /// <summary>The font of all text but titles.</summary>
    public static ChartFont Regular => _regular.Value;

    /// <summary>The font of titles.</summary>
    public static ChartFont Semibold => _semibold.Value;

    /// <summary>The font for a weight between 100 and 900.</summary>
    public static ChartFont OfWeight(double weight) => weight >= SemiboldWeight ? Semibold : Regular;

    /// <summary>From the top of a line to its baseline.</summary>
    public float Ascent(float size) => _ascent * size;

    /// <summary>From one baseline to the next.</summary>
    public float LineHeight(float size) => _lineHeight * size;

    /// <summary>The width of one line of text.</summary>
    public float Width(string line, float size)
    {
        using var font = CreateFont();
        return Advances(font, Glyphs(line)).Sum() * size / _typeface.UnitsPerEm;
    }

    /// <summary>The outline of one line of text, its baseline starting at the origin. The caller disposes it.</summary>
    public SKPath Outline(string line, float size)
    {
        using var font = CreateFont();
        var glyphs = Glyphs(line);
        var widths = Advances(font, glyphs);
        var outline = new SKPath();
        var x = 0f;
        for (var index = 0; index < glyphs.Length; index++)
        {
            using var glyph = font.GetGlyphPath(glyphs[index]);
            outline.AddPath(glyph, x, 0);
            x += widths[index];
        }
        outline.Transform(SKMatrix.CreateScale(size / _typeface.UnitsPerEm, size / _typeface.UnitsPerEm));
        return outline;
    }

    /// <summary>Splits text into lines.</summary>
    public static string[] Lines(string text) => text.ReplaceLineEndings("\n").Split('\n');

    // In the size of its design nothing is rounded: text of every size has the same proportions, in pixels and in SVG.
    private SKFont CreateFont() => new(_typeface, _typeface.UnitsPerEm)
    {
        Hinting = SKFontHinting.None,
        Subpixel = true,
        LinearMetrics = true,
    };

    private static float[] Advances(SKFont font, ushort[] glyphs)
    {
        var advances = new float[glyphs.Length];
        font.GetGlyphWidths(glyphs, advances, new SKRect[glyphs.Length]);
        return advances;
    }

    /// <summary>One glyph per code point; a question mark for what the font lacks, so that it is missed.</summary>
    private ushort[] Glyphs(string line)
    {
        var glyphs = new List<ushort>(line.Length);
        foreach (var rune in line.EnumerateRunes())
        {
            if (rune.Value == Nothing)
                continue;
            var glyph = _typeface.GetGlyph(Rune.IsControl(rune) ? ' ' : rune.Value);
            glyphs.Add(glyph == 0 ? _missing : glyph);
        }
        return [.. glyphs];
    }
}

using OxyPlot;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>The colours of series.</summary>
internal static class SeriesColors
{
    // Okabe and Ito's palette, which people with any kind of colour blindness can tell apart; without its yellow, which
    // is too light on white.
    private static readonly OxyColor[] _palette =
    [
        OxyColor.FromRgb(0x00, 0x72, 0xB2),
        OxyColor.FromRgb(0xE6, 0x9F, 0x00),
        OxyColor.FromRgb(0x00, 0x9E, 0x73),
        OxyColor.FromRgb(0xD5, 0x5E, 0x00),
        OxyColor.FromRgb(0x56, 0xB4, 0xE9),
        OxyColor.FromRgb(0xCC, 0x79, 0xA7),
        OxyColor.FromRgb(0x00, 0x00, 0x00),
    ];

    /// <summary>The colour of a series; after the last of the palette they come again, lighter.</summary>
    /// <param name="series">The number of the series, from 0.</param>
    public static OxyColor Of(int series)
    {
        var color = _palette[series % _palette.Length];
        for (var round = 0; round < series / _palette.Length; round++)
            color = OxyColor.Interpolate(color, OxyColors.White, 0.5);
        return color;
    }
}

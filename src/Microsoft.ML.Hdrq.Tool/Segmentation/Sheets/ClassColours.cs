using Microsoft.ML.Hdrq.Pipeline.Masks;

namespace Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

/// <summary>The colours of classes in pictures.</summary>
internal static class ClassColours
{
    private static readonly Dictionary<string, MaskColor> _known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["sky"] = new(70, 130, 180),
        ["road"] = new(128, 64, 128),
        ["pavement"] = new(236, 120, 200),
        ["building"] = new(90, 90, 96),
        ["tree"] = new(107, 142, 35),
        ["car"] = new(20, 40, 160),
        ["pedestrian"] = new(220, 30, 50),
        ["bicyclist"] = new(120, 20, 20),
        ["pole"] = new(250, 200, 60),
        ["sign"] = new(240, 130, 30),
        ["fence"] = new(190, 160, 140),
    };

    /// <summary>A colour for each class: those of streets have their own, others the library's.</summary>
    public static IReadOnlyList<MaskColor> Of(IReadOnlyList<string> classes) =>
        [.. classes.Select(
            (name, index) => _known.TryGetValue(name, out var colour) ? colour : MaskColor.Of((byte)index))];
}

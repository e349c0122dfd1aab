using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>How masks are loaded.</summary>
public sealed record MaskLoadingOptions
{
    /// <summary>The folder that paths are relative to; null, the default, for the current one.</summary>
    public string? ImageFolder { get; init; }

    /// <summary>
    /// How masks with another aspect ratio are resized; <c>IsoCrop</c> by default, as in <c>ResizeImages</c>. Pixels
    /// that <c>IsoPad</c> adds have no class.
    /// </summary>
    public ImageResizingEstimator.ResizingKind Resizing { get; init; } = ImageResizingEstimator.ResizingKind.IsoCrop;

    /// <summary>What <c>IsoCrop</c> keeps; the middle by default.</summary>
    public ImageResizingEstimator.Anchor CropAnchor { get; init; } = ImageResizingEstimator.Anchor.Center;

    /// <summary>
    /// The value of pixels without a class in the files, in addition to <see cref="MaskLoadingEstimator.Ignored"/>;
    /// null, the default, for none.
    /// </summary>
    public byte? IgnoredValue { get; init; }

    /// <summary>
    /// The class of each value in the files; values without an entry have no class. Null, the default, takes the values
    /// as they are.
    /// </summary>
    public IReadOnlyDictionary<byte, byte>? ClassMap { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Defined(nameof(Resizing), Resizing, "a kind of resizing");
        OptionCheck.Defined(nameof(CropAnchor), CropAnchor, "an anchor");
    }

    /// <summary>The class of every value.</summary>
    internal byte[] Classes()
    {
        var classes = Enumerable.Range(0, byte.MaxValue + 1)
            .Select(value => ClassMap is null
                ? (byte)value
                : ClassMap.GetValueOrDefault((byte)value, MaskLoadingEstimator.Ignored))
            .ToArray();
        if (IgnoredValue is { } ignored)
            classes[ignored] = MaskLoadingEstimator.Ignored;
        return classes;
    }
}

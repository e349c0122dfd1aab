using System.Globalization;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Which second moments of its layers' inputs a network carries in <see cref="Network.Metadata"/>, and so in its ONNX
/// file. With them, networks can be merged by RegMean, which gives better results on their domains than the mean.
/// Merged networks carry none.
/// </summary>
/// <remarks>
/// Moments are computed from activations of the images: of a single image they are its features, of few they tell much.
/// They do not hold the images, but without <see cref="Noise"/> nothing is proved about what can be found out from
/// them. <see cref="SentMomentsReport"/> says what a network carries.
/// </remarks>
public sealed record SentMoments
{
    /// <summary>The default of <see cref="MinImages"/>.</summary>
    internal const int StandardMinImages = 32;

    /// <summary>The moments of one image are its features: no setting sends those.</summary>
    private const int FewestImages = 2;

    /// <summary>No moments.</summary>
    public static SentMoments Nothing { get; } = new() { Kind = MomentsKind.Nothing };

    /// <summary>Which moments; <see cref="MomentsKind.Automatic"/> by default.</summary>
    public MomentsKind Kind { get; init; }

    /// <summary>
    /// The smallest number of images that moments may be of, at least 2; 32 by default. Fewer are refused before any
    /// work, or, with <see cref="MomentsKind.Automatic"/>, nothing is sent, and a warning and the file say so.
    /// </summary>
    public int MinImages { get; init; } = StandardMinImages;

    /// <summary>
    /// The noise with which the moments become differentially private; null, the default, for none. Only for networks
    /// that are quantized: the ranges of quantizers bound what an image may contribute.
    /// </summary>
    public MomentNoise? Noise { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Defined(nameof(Kind), Kind, "a kind of moments");
        OptionCheck.Count(nameof(MinImages), MinImages, FewestImages);
        Noise?.Check();
        if (Noise is not null && Kind == MomentsKind.Nothing)
        {
            throw OptionCheck.Error(nameof(Noise), Noise,
                $"{nameof(Noise)} is given, and {nameof(Kind)} is {Kind}; noise needs moments.");
        }
    }

    /// <summary>Which moments are sent of a number of images.</summary>
    /// <param name="images">The number.</param>
    /// <param name="warn">Told that there are too few; null if nobody asks.</param>
    /// <exception cref="ArgumentException">
    /// There are too few, for a kind that was asked for or for the noise.
    /// </exception>
    internal MomentsKind KindFor(long images, Action<string>? warn)
    {
        if (Kind == MomentsKind.Nothing)
            return Kind;
        if (images >= MinImages)
        {
            if (Noise is { } noise && noise.Delta * images >= 1)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"{nameof(MomentNoise.Delta)} is {noise.Delta}, and there are {images} images; it must be below "
                    + $"1/{images}, or an image could be sent as it is."));
            }
            return Kind == MomentsKind.Automatic ? MomentsKind.LowRank : Kind;
        }
        var few = string.Create(CultureInfo.InvariantCulture,
            $"{images} {(images == 1 ? "image is" : "images are")} too few for moments, which need {MinImages}");
        if (Kind != MomentsKind.Automatic || Noise is not null)
        {
            throw new ArgumentException(
                $"{few}: of fewer they tell too much of single ones. Give more images, a smaller "
                + $"{nameof(SentMoments)}.{nameof(MinImages)} at your own risk, or "
                + $"{nameof(SentMoments)}.{nameof(Nothing)}.");
        }
        warn?.Invoke(
            $"{few}: the network carries none, and merges worse. Give more images, or, at your own risk, a smaller "
            + "minimum (MinImages, --min-images).");
        return MomentsKind.Nothing;
    }
}

using System.Collections.Immutable;
using System.Globalization;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// The normalization of images that a network was trained with: <c>(pixel - mean) / deviation</c> for every channel. It
/// becomes part of the network, so every file written from the network contains it.
/// </summary>
public sealed class ChannelNormalization
{
    /// <summary>Describes a normalization.</summary>
    /// <param name="mean">The mean of every channel, in the units of the input column; finite.</param>
    /// <param name="standardDeviation">
    /// The standard deviation of every channel, in the units of the input column; finite and positive; one for each
    /// mean.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// There are no channels, the numbers of means and deviations differ, or a value is out of range.
    /// </exception>
    public ChannelNormalization(IEnumerable<float> mean, IEnumerable<float> standardDeviation)
    {
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(standardDeviation);
        Mean = [.. mean];
        StandardDeviation = [.. standardDeviation];
        if (Mean.IsEmpty || Mean.Any(value => !float.IsFinite(value)))
        {
            throw new ArgumentOutOfRangeException(
                nameof(mean), $"Mean is ({string.Join(", ", Mean)}); it must hold a finite number for every channel.");
        }
        if (StandardDeviation.Any(value => !(value > 0 && float.IsFinite(value))))
        {
            throw new ArgumentOutOfRangeException(
                nameof(standardDeviation),
                $"StandardDeviation is ({string.Join(", ", StandardDeviation)}); "
                + "its values must be positive and finite.");
        }
        if (StandardDeviation.Length != Mean.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(standardDeviation),
                $"StandardDeviation has {StandardDeviation.Length} values and Mean {Mean.Length}; "
                + "both need one for every channel.");
        }
    }

    /// <summary>The mean of every channel, in the units of the input column.</summary>
    public ImmutableArray<float> Mean { get; }

    /// <summary>The standard deviation of every channel, in the units of the input column.</summary>
    public ImmutableArray<float> StandardDeviation { get; }

    /// <summary>Means and deviations, as a network records them.</summary>
    /// <returns>For example <c>mean 0.5, deviation 0.25</c>.</returns>
    public override string ToString()
    {
        return $"mean {Text(Mean)}, deviation {Text(StandardDeviation)}";

        static string Text(ImmutableArray<float> values) =>
            string.Join(' ', values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>
    /// The normalization that networks trained on ImageNet usually have, for red, green and blue planes.
    /// </summary>
    /// <param name="pixelRange">
    /// The largest pixel value in the input column; 255, the default, is what <c>ExtractPixels</c> gives without
    /// scaling.
    /// </param>
    /// <returns>Means (0.485, 0.456, 0.406) and deviations (0.229, 0.224, 0.225), times the range.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="pixelRange"/> is not positive and finite.
    /// </exception>
    public static ChannelNormalization ImageNet(float pixelRange = 255)
    {
        if (!(pixelRange > 0 && float.IsFinite(pixelRange)))
        {
            throw new ArgumentOutOfRangeException(
                nameof(pixelRange), pixelRange, "The pixel range must be positive and finite.");
        }
        return new(
            [0.485f * pixelRange, 0.456f * pixelRange, 0.406f * pixelRange],
            [0.229f * pixelRange, 0.224f * pixelRange, 0.225f * pixelRange]);
    }
}

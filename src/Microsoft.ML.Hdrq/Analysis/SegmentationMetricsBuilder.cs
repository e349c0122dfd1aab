using System.Collections.Immutable;
using System.Globalization;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Counts pixels image by image, for <see cref="SegmentationMetrics"/>; the images need not be kept. Not for several
/// threads at the same time.
/// </summary>
internal sealed class SegmentationMetricsBuilder
{
    /// <summary>
    /// The number of values of a byte, so that every pair of values is counted; the last stands for no prediction.
    /// </summary>
    private const int Values = byte.MaxValue + 1;

    private readonly long[] _counts = new long[Values * Values];
    private readonly ImmutableArray<string>? _classNames;
    private readonly byte _ignoredLabel;

    /// <summary>Starts counting.</summary>
    /// <param name="classNames">
    /// The names of the classes, 1 to 255; null to number the classes from 0 to the highest that occurs.
    /// </param>
    /// <param name="ignoredLabel">
    /// The label of pixels without a class, which are not counted; 255 by default. In predictions, 255 always stands
    /// for no prediction.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">There are no names, or more than 255.</exception>
    public SegmentationMetricsBuilder(IReadOnlyList<string>? classNames = null, byte ignoredLabel = byte.MaxValue)
    {
        if (classNames is { Count: 0 or > byte.MaxValue })
        {
            throw new ArgumentOutOfRangeException(
                nameof(classNames), classNames.Count,
                $"There are {classNames.Count} names of classes; there must be 1 to {byte.MaxValue}.");
        }
        _classNames = classNames is null ? null : [.. classNames];
        _ignoredLabel = ignoredLabel;
    }

    /// <summary>Counts the pixels of an image, or of a part of one.</summary>
    /// <param name="labels">The zero-based true class of each pixel, or the ignored label.</param>
    /// <param name="predictions">The zero-based predicted class of each pixel, or 255 for no prediction.</param>
    /// <exception cref="ArgumentException">
    /// The numbers of labels and predictions differ, or a value is not a class; no pixel of the image was counted.
    /// </exception>
    public void Add(ReadOnlySpan<byte> labels, ReadOnlySpan<byte> predictions)
    {
        if (labels.Length != predictions.Length)
        {
            throw new ArgumentException(
                $"There are {labels.Length} labels and {predictions.Length} predictions.", nameof(predictions));
        }
        if (_classNames is { } names)
        {
            for (var i = 0; i < labels.Length; i++)
            {
                if (labels[i] >= names.Length && labels[i] != _ignoredLabel)
                {
                    throw new ArgumentException(
                        $"A label is {labels[i]}, and there are {names.Length} classes.", nameof(labels));
                }
                if (predictions[i] >= names.Length && predictions[i] != byte.MaxValue && labels[i] != _ignoredLabel)
                {
                    throw new ArgumentException(
                        $"A prediction is {predictions[i]}, and there are {names.Length} classes.",
                        nameof(predictions));
                }
            }
        }
        else if (_ignoredLabel != byte.MaxValue && labels.Contains(byte.MaxValue))
        {
            throw new ArgumentException($"A label is {byte.MaxValue}, which is no class.", nameof(labels));
        }
        for (var i = 0; i < labels.Length; i++)
        {
            if (labels[i] != _ignoredLabel)
                _counts[labels[i] * Values + predictions[i]]++;
        }
    }

    /// <summary>Computes the metrics of all pixels that were counted so far.</summary>
    /// <returns>The metrics.</returns>
    public SegmentationMetrics Build()
    {
        var names = _classNames
            ?? [.. Enumerable.Range(0, Highest() + 1).Select(number => number.ToString(CultureInfo.InvariantCulture))];
        return new SegmentationMetrics(
            names,
            [
                .. Enumerable.Range(0, names.Length)
                    .Select(label => _counts.AsSpan(label * Values, names.Length).ToImmutableArray()),
            ],
            [.. Enumerable.Range(0, names.Length).Select(label => _counts[label * Values + byte.MaxValue])]);
    }

    private int Highest()
    {
        var highest = -1;
        for (var i = 0; i < _counts.Length; i++)
        {
            if (_counts[i] > 0)
                highest = Math.Max(highest, Math.Max(i / Values, i % Values == byte.MaxValue ? -1 : i % Values));
        }
        return highest;
    }
}

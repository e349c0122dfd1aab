using System.Collections.Immutable;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline.Masks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// What a network predicts: whether it classifies images or their pixels, and what its classes are called.
/// </summary>
/// <param name="Kind">What the scores mean.</param>
/// <param name="ClassNames">The names of the classes; empty where there are none.</param>
/// <param name="ColumnName">The column of the prediction; null for none.</param>
internal sealed record Prediction(PredictionKind Kind, ImmutableArray<string> ClassNames, string? ColumnName)
{
    /// <summary>
    /// The maximum number of classes of a mask: it has a byte for each pixel, and one value means no class.
    /// </summary>
    private const int MaxMaskClasses = MaskLoadingEstimator.Ignored;

    /// <summary>
    /// What a network predicts, according to the output that its graph declares: [batch, classes] classifies, [batch,
    /// classes, height, width] classifies pixels. If the graph does not declare the shape, class names mean that the
    /// network classifies.
    /// </summary>
    public static PredictionKind KindOf(Network network, ScoringSettings settings) =>
        network.Graph.Outputs[0].Shape switch
        {
            [] => settings.ClassNames.IsDefault ? PredictionKind.None : PredictionKind.Label,
            [_, not 1] => PredictionKind.Label,
            [_, TensorShape.Dynamic or (> 1 and <= MaxMaskClasses), _, _] => PredictionKind.Mask,
            _ => PredictionKind.None,
        };

    /// <summary>The column for a kind of prediction.</summary>
    public static string? Column(PredictionKind kind, ScoringSettings settings) => kind switch
    {
        PredictionKind.Label => settings.PredictedLabelColumnName,
        PredictionKind.Mask => settings.PredictedMaskColumnName,
        _ => null,
    };

    /// <summary>
    /// Checks class names against the output that a network declares, before it has computed anything.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">They do not fit.</exception>
    public static void Check(Network network, ScoringSettings settings)
    {
        var shape = network.Graph.Outputs[0].Shape;
        if (settings.ClassNames.IsDefault || shape.Length == 0)
            return;
        var row = shape[1..].ToArray();
        if (row is [TensorShape.Dynamic, ..])
            row[0] = settings.ClassNames.Length;
        Check(KindOf(network, settings), settings.ClassNames, row);
    }

    /// <summary>
    /// What a network with scores of this shape predicts; its classes have the given names, or their zero-based numbers
    /// as names.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The given names do not fit.</exception>
    /// <exception cref="InvalidOperationException">The output is not what the graph declares.</exception>
    public static Prediction Of(Network network, ScoringSettings settings, ReadOnlySpan<long> scoreShape)
    {
        var kind = KindOf(network, settings);
        if (!settings.ClassNames.IsDefault)
        {
            Check(kind, settings.ClassNames, scoreShape);
            return new Prediction(kind, settings.ClassNames, Column(kind, settings));
        }
        if (kind == PredictionKind.None)
            return new Prediction(kind, [], null);
        if (scoreShape.Length != (kind == PredictionKind.Label ? 1 : 3)
            || (kind == PredictionKind.Mask && scoreShape[0] > MaxMaskClasses))
        {
            throw new InvalidOperationException(
                $"The network's output is declared as {network.Graph.Outputs[0]}, "
                + $"and it gave {TensorShape.Describe(scoreShape)} for every row.");
        }
        var names = Enumerable.Range(0, checked((int)scoreShape[0]))
            .Select(number => number.ToString(CultureInfo.InvariantCulture));
        return new Prediction(kind, [.. names], Column(kind, settings));
    }

    /// <summary>The type of the prediction's column.</summary>
    /// <param name="scoreShape">The shape of the scores without the batch.</param>
    public DataViewType Type(ReadOnlySpan<long> scoreShape) =>
        Kind == PredictionKind.Label ? LabelType(ClassNames.Length) : MaskType(scoreShape[1..]);

    public static KeyDataViewType LabelType(int classes) => new(typeof(uint), classes);

    public static VectorDataViewType MaskType(ReadOnlySpan<long> shape) =>
        new(NumberDataViewType.Byte, Array.ConvertAll(shape.ToArray(), size => checked((int)size)));

    private static void Check(PredictionKind kind, ImmutableArray<string> names, ReadOnlySpan<long> scoreShape)
    {
        if (scoreShape.Length != (kind == PredictionKind.Mask ? 3 : 1))
        {
            throw Errors.Option(nameof(ScoringOptions.ClassNames), names.Length,
                $"{nameof(ScoringOptions.ClassNames)} needs a network with one score for every class; "
                + $"this one gives scores of shape {TensorShape.Describe(scoreShape)} for every row.");
        }
        if (scoreShape[0] != names.Length)
        {
            throw Errors.Option(nameof(ScoringOptions.ClassNames), names.Length,
                $"{nameof(ScoringOptions.ClassNames)} has {names.Length} names, "
                + $"and the network has {scoreShape[0]} classes.");
        }
    }
}

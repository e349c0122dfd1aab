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
    /// <param name="graph">The graph.</param>
    /// <param name="names">The names of its classes; null if they are not known.</param>
    public static PredictionKind KindOf(Graph graph, IReadOnlyList<string>? names) =>
        graph.Outputs[0].Shape switch
        {
            [] => names is null ? PredictionKind.None : PredictionKind.Label,
            [_, not 1] => PredictionKind.Label,
            [_, TensorShape.Dynamic or (> 1 and <= MaxMaskClasses), _, _] => PredictionKind.Mask,
            _ => PredictionKind.None,
        };

    /// <summary>What a network predicts, with the names of classes that it has.</summary>
    public static PredictionKind KindOf(Network network) => KindOf(network.Graph, network.ClassNames);

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
    /// <param name="graph">The graph, with the output that holds the scores.</param>
    /// <param name="known">The names that the network has; null if it has none.</param>
    /// <param name="names">The names to check.</param>
    /// <exception cref="ArgumentOutOfRangeException">They do not fit.</exception>
    public static void Check(Graph graph, IReadOnlyList<string>? known, IReadOnlyList<string> names)
    {
        if (known is { } own && ClassNameList.Difference(names, own) is { } difference)
        {
            throw Errors.Option(nameof(ScoringOptions.ClassNames), string.Join(", ", names),
                $"{nameof(ScoringOptions.ClassNames)} are not those that the network has: {difference}; "
                + "leave them out to use the network's.");
        }
        var shape = graph.Outputs[0].Shape;
        if (shape.Length == 0)
            return;
        var row = shape[1..].ToArray();
        if (row is [TensorShape.Dynamic, ..])
            row[0] = names.Count;
        Check(KindOf(graph, names), names, row);
    }

    /// <summary>
    /// What a network with scores of this shape predicts; its classes have the network's names, or their zero-based
    /// numbers as names.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The names do not fit.</exception>
    /// <exception cref="InvalidOperationException">The output is not what the graph declares.</exception>
    public static Prediction Of(Network network, ScoringSettings settings, ReadOnlySpan<long> scoreShape)
    {
        var kind = KindOf(network);
        if (network.ClassNames is { } own)
        {
            Check(kind, own, scoreShape);
            return new Prediction(kind, [.. own], Column(kind, settings));
        }
        if (kind == PredictionKind.None)
            return new Prediction(kind, [], null);
        // Labels are checked against what is declared.
        if (scoreShape.Length != (kind == PredictionKind.Label ? 1 : 3)
            || (kind == PredictionKind.Mask && scoreShape[0] > MaxMaskClasses)
            || (network.Graph.Outputs[0].Shape is [_, > 0 and var declared, ..] && declared != scoreShape[0]))
        {
            throw new InvalidOperationException(
                $"The network's output is declared as {network.Graph.Outputs[0]}, "
                + $"and it gave {TensorShape.Describe(scoreShape)} for every row.");
        }
        return new Prediction(kind, Numbers(checked((int)scoreShape[0])), Column(kind, settings));
    }

    /// <summary>The names of classes that have none: their zero-based numbers.</summary>
    public static ImmutableArray<string> Numbers(int classes) =>
        [.. Enumerable.Range(0, classes).Select(number => number.ToString(CultureInfo.InvariantCulture))];

    /// <summary>The type of the prediction's column.</summary>
    /// <param name="scoreShape">The shape of the scores without the batch.</param>
    public DataViewType Type(ReadOnlySpan<long> scoreShape) =>
        Kind == PredictionKind.Label ? LabelType(ClassNames.Length) : MaskType(scoreShape[1..]);

    public static KeyDataViewType LabelType(int classes) => new(typeof(uint), classes);

    public static VectorDataViewType MaskType(ReadOnlySpan<long> shape) =>
        new(NumberDataViewType.Byte, Array.ConvertAll(shape.ToArray(), size => checked((int)size)));

    private static void Check(PredictionKind kind, IReadOnlyList<string> names, ReadOnlySpan<long> scoreShape)
    {
        if (scoreShape.Length != (kind == PredictionKind.Mask ? 3 : 1))
        {
            throw Errors.Option(nameof(ScoringOptions.ClassNames), names.Count,
                $"{nameof(ScoringOptions.ClassNames)} needs a network with one score for every class; "
                + $"this one gives scores of shape {TensorShape.Describe(scoreShape)} for every row.");
        }
        if (scoreShape[0] != names.Count)
        {
            throw Errors.Option(nameof(ScoringOptions.ClassNames), names.Count,
                $"{nameof(ScoringOptions.ClassNames)} has {names.Count} names, "
                + $"and the network has {scoreShape[0]} classes.");
        }
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Helpers of the estimators that start from a score column: finding its network, the seed, checks.</summary>
internal static class TrainingHost
{
    /// <summary>The network behind a score column.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing, or has no network.</exception>
    public static NetworkAnnotation Network(DataViewSchema schema, string columnName) =>
        NetworkAnnotation.Find(InputColumn.Find(schema, columnName))
            ?? throw Errors.SchemaMismatch(
                columnName,
                "the score column of a network (of ApplyNetwork, AdaptNetwork, QuantizeHdrq or MergeNetworks)",
                schema[columnName].Type);

    /// <summary>The label column of the options, with its classes as those of a network.</summary>
    /// <param name="schema">The schema of the data.</param>
    /// <param name="rows">The options.</param>
    /// <param name="scoreColumnName">The score column of the network.</param>
    /// <param name="maskShape">Height and width of masks; null if each image has one class.</param>
    /// <param name="names">The names of the network's classes; null if it has none.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The column is missing, or the network has no names and another number of classes.
    /// </exception>
    public static LabelColumn Label(
        DataViewSchema schema, RowOptions rows, string scoreColumnName, long[]? maskShape, IReadOnlyList<string>? names)
    {
        // Scores that are not those of classes have no names of slots, and other numbers.
        var scores = InputColumn.Find(schema, scoreColumnName);
        var count = ScoreAnnotations.FindTexts(scores, ScoreAnnotations.SlotNames) is { IsEmpty: false } slots
            ? slots.Length
            : (int?)null;
        var column = InputColumn.Find(schema, rows.LabelColumnName);
        var classes = maskShape is null ? LabelClasses.Match(column, names, count) : null;
        return new LabelColumn(rows.LabelColumnName, maskShape, rows.IgnoredLabel, classes);
    }

    /// <summary>The seed of the options, or one derived from the context's.</summary>
    public static int Seed(IHost host, int? seed) => seed ?? host.Rand.Next();

    /// <summary>Checks that a value is in a range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public static void CheckRange(string option, double value, double minimum, double maximum, string range) =>
        OptionCheck.Range(option, value, minimum, maximum, range);

    /// <summary>Checks that a network takes crops of images: its input has dynamic height and width.</summary>
    /// <param name="network">The network.</param>
    /// <param name="shape">The shape of the images without the batch.</param>
    /// <param name="cropSize">The side of the crops; null for whole images.</param>
    /// <exception cref="ArgumentOutOfRangeException">It does not, or the rows are not images.</exception>
    public static void CheckCrop(Network network, long[] shape, int? cropSize)
    {
        if (cropSize is null || (shape.Length == 3 && shape[1] <= cropSize && shape[2] <= cropSize))
            return;
        if (network.Graph.Inputs[0].Shape is not [_, _, TensorShape.Dynamic, TensorShape.Dynamic])
        {
            throw Errors.Option("CropSize", cropSize,
                $"CropSize is {cropSize}, and the network's input is {network.Graph.Inputs[0]}; "
                + "only a network that takes images of any height and width can be given crops of them.");
        }
    }
}

using System.Collections.Immutable;
using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Shapes of schemas, before there is data. ML.NET lets only its own estimators make columns of them: so one of those makes ours.
/// </summary>
internal static class SchemaShapes
{
    /// <summary>Checks that a column can hold images.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing, or not a known-size vector of single.</exception>
    public static void CheckInput(SchemaShape shape, string name)
    {
        var matches = shape.Where(column => column.Name == name).ToArray();
        if (matches is not [var column])
            throw Errors.MissingColumn(name);
        if (column.Kind != SchemaShape.Column.VectorKind.Vector || column.ItemType != NumberDataViewType.Single)
            throw Errors.SchemaMismatch(name, "known-size vector of Single", column.Kind == SchemaShape.Column.VectorKind.Scalar ? column.ItemType : $"{column.Kind} of {column.ItemType}");
    }

    /// <summary>Adds the columns of a network's scores; columns of the same name are hidden.</summary>
    /// <param name="shape">The shape of the data.</param>
    /// <param name="score">The name of the score column.</param>
    /// <param name="label">The name of the predicted label's column; null for none.</param>
    /// <param name="hasSlotNames">Whether the scores have the names of classes.</param>
    public static SchemaShape AddScores(SchemaShape shape, string score, string? label, bool hasSlotNames)
    {
        // Sizes are no part of a shape; any will do.
        ImmutableArray<string> names = [score];
        VBuffer<ReadOnlyMemory<char>> texts = default;
        ScoreAnnotations.Texts(names)(ref texts);
        var columns = shape.ToDictionary(column => column.Name, StringComparer.Ordinal);
        var definition = SchemaDefinition.Create(typeof(ScoreColumn));
        definition[0].ColumnName = score;
        definition[0].ColumnType = NetworkBinding.ScoreType([1]);
        if (hasSlotNames)
            definition[0].AddAnnotation(ScoreAnnotations.SlotNames, texts, ScoreAnnotations.TextVector(1));
        columns[score] = Column<ScoreColumn>(definition);
        if (label is not null)
        {
            definition = SchemaDefinition.Create(typeof(LabelColumn));
            definition[0].ColumnName = label;
            definition[0].ColumnType = NetworkBinding.LabelType(1);
            definition[0].AddAnnotation(ScoreAnnotations.KeyValues, texts, ScoreAnnotations.TextVector(1));
            columns[label] = Column<LabelColumn>(definition);
        }
        return new SchemaShape(columns.Values);
    }

    /// <summary>Adds the columns of a network that is made of the one behind another score column: scores of classes with a predicted label.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The score column is missing.</exception>
    public static SchemaShape AddScoresLike(SchemaShape shape, string score, string like)
    {
        CheckInput(shape, like);
        var column = shape.Single(column => column.Name == like);
        var isClassifier = column.Annotations.Any(annotation => annotation.Name == ScoreAnnotations.SlotNames);
        return AddScores(shape, score, isClassifier ? NetworkScoringEstimator.Defaults.PredictedLabelColumnName : null, isClassifier);
    }

    private static SchemaShape.Column Column<T>(SchemaDefinition definition) where T : class, new() =>
        new MLContext().Transforms.CustomMapping<Nothing, T>((_, _) => { }, null, null, definition).GetOutputSchema(new SchemaShape([])).Single();

    private sealed class Nothing;

    private sealed class ScoreColumn
    {
        public VBuffer<float> Value { get; set; }
    }

    private sealed class LabelColumn
    {
        public uint Value { get; set; }
    }
}

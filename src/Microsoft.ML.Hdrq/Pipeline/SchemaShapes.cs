using System.Collections.Immutable;
using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Creates the shapes of schemas, before there is data. Only ML.NET's own estimators can create columns of shapes, so
/// one of them creates ours.
/// </summary>
internal static class SchemaShapes
{
    /// <summary>Checks that a column can hold images.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The column is missing, or is not a known-size vector of single.
    /// </exception>
    public static void CheckInput(SchemaShape shape, string name)
    {
        var matches = shape.Where(column => column.Name == name).ToArray();
        if (matches is not [var column])
            throw Errors.MissingColumn(name);
        if (column.Kind != SchemaShape.Column.VectorKind.Vector || column.ItemType != NumberDataViewType.Single)
        {
            throw Errors.SchemaMismatch(name, "known-size vector of Single",
                column.Kind == SchemaShape.Column.VectorKind.Scalar
                    ? column.ItemType
                    : $"{column.Kind} of {column.ItemType}");
        }
    }

    /// <summary>Adds the columns of a network's scores; columns of the same name are hidden.</summary>
    /// <param name="shape">The shape of the data.</param>
    /// <param name="score">The name of the score column.</param>
    /// <param name="kind">What the scores mean.</param>
    /// <param name="predicted">The name of the predicted label's or mask's column; null for none.</param>
    public static SchemaShape AddScores(SchemaShape shape, string score, PredictionKind kind, string? predicted)
    {
        // Vector sizes are not part of a shape, so any size will do.
        ImmutableArray<string> names = [score];
        VBuffer<ReadOnlyMemory<char>> texts = default;
        ScoreAnnotations.Texts(names)(ref texts);
        var columns = shape.ToDictionary(column => column.Name, StringComparer.Ordinal);
        var isLabel = kind == PredictionKind.Label;
        columns[score] = Column<ScoreColumn>(
            score,
            NetworkBinding.ScoreType([1]),
            kind == PredictionKind.None ? null : isLabel ? ScoreAnnotations.SlotNames : ScoreAnnotations.ClassNames);
        if (predicted is not null)
        {
            columns[predicted] = isLabel
                ? Column<LabelColumn>(predicted, Prediction.LabelType(1), ScoreAnnotations.KeyValues)
                : Column<MaskColumn>(predicted, Prediction.MaskType([1, 1]), ScoreAnnotations.ClassNames);
        }
        return new SchemaShape(columns.Values);

        SchemaShape.Column Column<T>(string name, DataViewType type, string? annotation) where T : class, new()
        {
            var definition = SchemaDefinition.Create(typeof(T));
            definition[0].ColumnName = name;
            definition[0].ColumnType = type;
            if (annotation is not null)
                definition[0].AddAnnotation(annotation, texts, ScoreAnnotations.TextVector(1));
            return new MLContext().Transforms
                .CustomMapping<Nothing, T>((_, _) => { }, null, null, definition)
                .GetOutputSchema(new SchemaShape([]))
                .Single();
        }
    }

    /// <summary>
    /// Adds the columns of a network that is made from the one behind another score column: scores of classes with a
    /// predicted label or mask.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The score column is missing.</exception>
    public static SchemaShape AddScoresLike(SchemaShape shape, string score, string like)
    {
        CheckInput(shape, like);
        var annotations = shape.Single(column => column.Name == like).Annotations
            .Select(annotation => annotation.Name)
            .ToList();
        return AddScores(shape, score,
            annotations.Contains(ScoreAnnotations.SlotNames) ? PredictionKind.Label
            : annotations.Contains(ScoreAnnotations.ClassNames) ? PredictionKind.Mask
            : PredictionKind.None);
    }

    /// <summary>Adds the columns of a network's scores, and the prediction under its default name.</summary>
    public static SchemaShape AddScores(SchemaShape shape, string score, PredictionKind kind) =>
        AddScores(shape, score, kind, kind switch
        {
            PredictionKind.Label => ScoringOptions.DefaultPredictedLabelColumnName,
            PredictionKind.Mask => ScoringOptions.DefaultPredictedMaskColumnName,
            _ => null,
        });

    private sealed class Nothing;

    private sealed class ScoreColumn
    {
        public VBuffer<float> Value { get; set; }
    }

    private sealed class LabelColumn
    {
        public uint Value { get; set; }
    }

    private sealed class MaskColumn
    {
        public VBuffer<byte> Value { get; set; }
    }
}

using System.Collections.Immutable;
using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// The annotations by which ML.NET's evaluators and converters recognize score columns, with the literal names that its
/// own scorers use.
/// </summary>
internal static class ScoreAnnotations
{
    public const string KeyValues = "KeyValues";
    public const string SlotNames = "SlotNames";

    /// <summary>
    /// This library's own annotation: the names of the classes of masks, and of scores in each pixel.
    /// </summary>
    public const string ClassNames = "ClassNames";

    private const string ScoreColumnKind = "ScoreColumnKind";
    private const string ScoreValueKind = "ScoreValueKind";
    private const string ScoreColumnSetId = "ScoreColumnSetId";
    private const string TrainingLabelValues = "TrainingLabelValues";
    private static readonly KeyDataViewType _setIdType = new(typeof(uint), int.MaxValue);

    public static VectorDataViewType TextVector(int size) => new(TextDataViewType.Instance, size);

    public static ValueGetter<VBuffer<ReadOnlyMemory<char>>> Texts(ImmutableArray<string> texts)
    {
        var values = texts.Select(text => text.AsMemory()).ToArray();
        return (ref VBuffer<ReadOnlyMemory<char>> value) =>
        {
            var editor = VBufferEditor.Create(ref value, values.Length);
            values.CopyTo(editor.Values);
            value = editor.Commit();
        };
    }

    /// <summary>The number of the next set of score columns in a schema.</summary>
    public static uint NextSetId(DataViewSchema schema)
    {
        uint last = 0;
        foreach (var column in schema)
        {
            if (column.Annotations.Schema.GetColumnOrNull(ScoreColumnSetId)
                is not { Type: KeyDataViewType { RawType: var type } } || type != typeof(uint))
            {
                continue;
            }
            uint id = 0;
            column.Annotations.GetValue(ScoreColumnSetId, ref id);
            last = Math.Max(last, id);
        }
        return last + 1;
    }

    /// <summary>The annotations of a score column.</summary>
    /// <param name="prediction">What the scores mean.</param>
    /// <param name="setId">The set that the column belongs to.</param>
    public static DataViewSchema.Annotations.Builder Score(Prediction prediction, uint setId)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        if (prediction.Kind == PredictionKind.None)
            return annotations;
        // A mask's scores have a slot for every class and pixel, and names for none.
        string[] kinds = prediction.Kind == PredictionKind.Label ? [SlotNames, TrainingLabelValues] : [ClassNames];
        foreach (var kind in kinds)
            annotations.Add(kind, TextVector(prediction.ClassNames.Length), Texts(prediction.ClassNames));
        AddKind(annotations, prediction.Kind, "Score", setId);
        return annotations;
    }

    /// <summary>The annotations of a predicted label's or mask's column.</summary>
    public static DataViewSchema.Annotations Predicted(Prediction prediction, uint setId)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        annotations.Add(
            prediction.Kind == PredictionKind.Label ? KeyValues : ClassNames,
            TextVector(prediction.ClassNames.Length),
            Texts(prediction.ClassNames));
        AddKind(annotations, prediction.Kind, "PredictedLabel", setId);
        return annotations.ToAnnotations();
    }

    /// <summary>The texts of a column's annotation; empty if it has none of the kind.</summary>
    public static ImmutableArray<string> FindTexts(DataViewSchema.Column column, string kind)
    {
        if (column.Annotations.Schema.GetColumnOrNull(kind)
            is not { Type: VectorDataViewType { ItemType: TextDataViewType } })
        {
            return [];
        }
        VBuffer<ReadOnlyMemory<char>> texts = default;
        column.Annotations.GetValue(kind, ref texts);
        return [.. texts.DenseValues().Select(text => text.ToString())];
    }

    private static void AddKind(
        DataViewSchema.Annotations.Builder annotations, PredictionKind prediction, string value, uint setId)
    {
        var task = prediction == PredictionKind.Label ? "MulticlassClassification" : "SemanticSegmentation";
        annotations.Add(ScoreColumnSetId, _setIdType, (ref uint id) => id = setId);
        annotations.Add(
            ScoreColumnKind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> kind) => kind = task.AsMemory());
        annotations.Add(
            ScoreValueKind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> kind) => kind = value.AsMemory());
    }
}

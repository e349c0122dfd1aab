using System.Collections.Immutable;
using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>The annotations by which ML.NET's evaluators and converters know score columns, with the literal names that its own scorers use.</summary>
internal static class ScoreAnnotations
{
    public const string KeyValues = "KeyValues";
    public const string SlotNames = "SlotNames";
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
            if (column.Annotations.Schema.GetColumnOrNull(ScoreColumnSetId) is not { Type: KeyDataViewType { RawType: var type } } || type != typeof(uint))
                continue;
            uint id = 0;
            column.Annotations.GetValue(ScoreColumnSetId, ref id);
            last = Math.Max(last, id);
        }
        return last + 1;
    }

    /// <summary>The annotations of a score column.</summary>
    /// <param name="classNames">The names of the classes, for a classifier's.</param>
    /// <param name="setId">The set that the column belongs to.</param>
    public static DataViewSchema.Annotations.Builder Score(ImmutableArray<string>? classNames, uint setId)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        if (classNames is not { } names)
            return annotations;
        annotations.Add(SlotNames, TextVector(names.Length), Texts(names));
        annotations.Add(TrainingLabelValues, TextVector(names.Length), Texts(names));
        AddKind(annotations, "Score", setId);
        return annotations;
    }

    /// <summary>The annotations of a predicted label's column.</summary>
    public static DataViewSchema.Annotations PredictedLabel(ImmutableArray<string> classNames, uint setId)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        annotations.Add(KeyValues, TextVector(classNames.Length), Texts(classNames));
        AddKind(annotations, "PredictedLabel", setId);
        return annotations.ToAnnotations();
    }

    private static void AddKind(DataViewSchema.Annotations.Builder annotations, string value, uint setId)
    {
        annotations.Add(ScoreColumnSetId, _setIdType, (ref uint id) => id = setId);
        annotations.Add(ScoreColumnKind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> kind) => kind = "MulticlassClassification".AsMemory());
        annotations.Add(ScoreValueKind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> kind) => kind = value.AsMemory());
    }
}

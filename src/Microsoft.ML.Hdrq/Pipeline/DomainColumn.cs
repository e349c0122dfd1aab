using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>The column with the domain of each row: text, or a key with text values.</summary>
internal static class DomainColumn
{
    /// <summary>A function that gives the domain of a cursor's current row; empty if it is missing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The column is neither text nor a key with text values.</exception>
    public static Func<ReadOnlyMemory<char>> Getter(DataViewRow row, DataViewSchema.Column column)
    {
        if (column.Type is TextDataViewType)
        {
            var getter = row.GetGetter<ReadOnlyMemory<char>>(column);
            return () =>
            {
                ReadOnlyMemory<char> value = default;
                getter(ref value);
                return value;
            };
        }
        if (column.Type is KeyDataViewType
            && ScoreAnnotations.FindTexts(column, ScoreAnnotations.KeyValues) is { IsEmpty: false } values)
        {
            var key = RowLabels.KeyGetter(row, column);
            return () => key() is > 0 and var number && number <= (ulong)values.Length
                ? values[(int)number - 1].AsMemory()
                : default;
        }
        throw Errors.SchemaMismatch(column.Name, "Text or Key with text values", column.Type);
    }
}

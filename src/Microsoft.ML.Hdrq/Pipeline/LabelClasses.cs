using System.Collections.Immutable;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Which class of a network each value of a label's key stands for; they are matched by name.</summary>
/// <param name="Values">The values of the key.</param>
/// <param name="Classes">The zero-based class of each value; -1 if the network has no such class.</param>
/// <param name="Names">The names of the network's classes.</param>
/// <param name="AreAdopted">
/// Whether the network had no names, and the values are as many as its classes: then they are its names.
/// </param>
internal sealed record LabelClasses(
    ImmutableArray<string> Values, ImmutableArray<int> Classes, ImmutableArray<string> Names, bool AreAdopted)
{
    /// <summary>Whether every value stands for the class of the same number.</summary>
    public bool AreInOrder => Classes.Select((number, value) => number == value).All(same => same);

    /// <summary>Matches the values of a label's key to the classes of a network.</summary>
    /// <param name="label">The label's column.</param>
    /// <param name="names">The names of the network's classes; null if it has none.</param>
    /// <param name="count">The number of the network's classes; null if it is not known.</param>
    /// <returns>The classes; null if there are no names, so that the key's numbers are those of the classes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The network has no names, and another number of classes than the label.
    /// </exception>
    public static LabelClasses? Match(DataViewSchema.Column label, IReadOnlyList<string>? names, int? count)
    {
        if (label.Type is not KeyDataViewType
            || ScoreAnnotations.FindTexts(label, ScoreAnnotations.KeyValues) is not { IsEmpty: false } values
            || (names is null && count is null))
        {
            return null;
        }
        if (names is not null)
            return Of(values, [.. names], areAdopted: false);
        // Predicted labels of a network without names are called by their numbers, so labels may be such numbers too.
        var numbers = Prediction.Numbers(count!.Value);
        if (numbers.ToHashSet(StringComparer.Ordinal).SetEquals(values))
            return Of(values, numbers, areAdopted: false);
        if (values.Length == numbers.Length && ClassNameList.AreValid(values))
            return Of(values, values, areAdopted: true);
        throw Errors.SchemaMismatch(
            label.Name,
            $"Key of the network's {numbers.Length} classes, which have no names (give them to ApplyNetwork as "
            + $"{nameof(ScoringOptions.ClassNames)}, so that labels can be matched by name)",
            $"{label.Type} of {values.Length} classes ({List(values)})");
    }

    /// <summary>The class of a key's value.</summary>
    /// <param name="key">The value, from 1; 0 if it is missing.</param>
    /// <param name="column">The label's column.</param>
    /// <param name="row">The row, for messages.</param>
    /// <returns>The zero-based class; -1 if the value is missing.</returns>
    /// <exception cref="InvalidOperationException">The network has no such class.</exception>
    public long Of(ulong key, string column, long row)
    {
        if (key == 0 || key > (ulong)Classes.Length)
            return -1;
        var place = (int)key - 1;
        return Classes[place] >= 0
            ? Classes[place]
            : throw new InvalidOperationException(
                $"Row {row} of column '{column}' is of class '{Values[place]}', which is not among the network's "
                + $"{Names.Length} classes ({List(Names)}).");
    }

    private static LabelClasses Of(ImmutableArray<string> values, ImmutableArray<string> names, bool areAdopted) =>
        new(values, [.. values.Select(value => names.IndexOf(value, StringComparer.Ordinal))], names, areAdopted);

    private static string List(ImmutableArray<string> names)
    {
        const int shown = 10;
        var list = string.Join(", ", names.Take(shown).Select(name => $"'{name}'"));
        return names.Length > shown ? $"{list}, ..." : list;
    }
}

using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// The names of a network's classes: what they must be, how metadata hold them, and in what two lists differ.
/// </summary>
internal static class ClassNameList
{
    // Names stay readable to other programs; whoever shows them in a web page must escape them in any case.
    private static readonly JsonSerializerOptions _json =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whether names can be those of classes: at least one, distinct, and none of them empty.</summary>
    public static bool AreValid(IReadOnlyList<string> names) =>
        names.Count > 0
        && !names.Any(string.IsNullOrWhiteSpace)
        && names.Distinct(StringComparer.Ordinal).Count() == names.Count;

    /// <summary>The names as a JSON array.</summary>
    public static string Write(IEnumerable<string> names) => JsonSerializer.Serialize(names, _json);

    /// <summary>Reads the names of a network from its metadata.</summary>
    /// <returns>The names; null if there is no such entry.</returns>
    /// <exception cref="ArgumentException">The entry does not hold names of classes.</exception>
    public static IReadOnlyList<string>? Read(ImmutableSortedDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(NetworkMetadata.ClassNames, out var text))
            return null;
        string[]? names = null;
        try
        {
            names = JsonSerializer.Deserialize<string[]>(text, _json);
        }
        catch (JsonException)
        {
            // What is no JSON is refused below, as is what holds something else.
        }
        return names is not null && AreValid(names)
            ? ImmutableArray.Create(names)
            : throw new ArgumentException(
                $"The metadata '{NetworkMetadata.ClassNames}' must be a JSON array of distinct names, "
                + $"none of them empty; it is {text}.");
    }

    /// <summary>In what two lists of names differ first.</summary>
    /// <param name="first">A list.</param>
    /// <param name="second">Another list.</param>
    /// <returns>The class and both its names, as a clause, or null if the lists are equal.</returns>
    public static string? Difference(IReadOnlyList<string> first, IReadOnlyList<string> second)
    {
        if (first.SequenceEqual(second, StringComparer.Ordinal))
            return null;
        if (first.Count != second.Count)
            return $"there are {first.Count} and {second.Count} classes";
        var place = Enumerable.Range(0, first.Count).First(i => first[i] != second[i]);
        var order = first.ToHashSet(StringComparer.Ordinal).SetEquals(second)
            ? "the same names are in another order, "
            : "";
        return $"{order}class {place} is '{first[place]}' and '{second[place]}'";
    }

    /// <summary>The names that networks agree on; null if none of them has names.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="describe">The name of a network in messages; null for its number.</param>
    /// <exception cref="ArgumentException">Two networks have different names.</exception>
    public static IReadOnlyList<string>? Common(
        IReadOnlyList<INetworkContent> networks, Func<int, string>? describe = null)
    {
        describe ??= static d => $"{d}";
        var first = Enumerable.Range(0, networks.Count).FirstOrDefault(d => networks[d].ClassNames is not null);
        for (var d = first + 1; d < networks.Count; d++)
        {
            if (networks[d].ClassNames is { } names && Difference(networks[first].ClassNames!, names) is { } difference)
            {
                throw new ArgumentException(
                    $"Networks {describe(first)} and {describe(d)} do not have the same classes: {difference}.",
                    nameof(networks));
            }
        }
        return networks[first].ClassNames;
    }
}

using System.Globalization;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>How well a network does in one domain.</summary>
/// <param name="Domain">The domain.</param>
/// <param name="Score">What the task measures, a fraction in [0, 1].</param>
/// <param name="Classes">
/// The same for each class that was there to be found; null where the task does not measure classes.
/// </param>
internal sealed record DomainScore(string Domain, double Score, OrderedDictionary<string, double>? Classes = null)
{
    /// <summary>
    /// A line that <see cref="Parse"/> reads: numbers and names in turn, with tabs between them. Names may have tabs
    /// and
    /// line breaks themselves, and are escaped as in addresses.
    /// </summary>
    public string ToLine() =>
        string.Join('\t', (Classes ?? []).Prepend(KeyValuePair.Create(Domain, Score))
            .Select(score =>
                string.Create(CultureInfo.InvariantCulture, $"{score.Value:R}\t{Uri.EscapeDataString(score.Key)}")));

    /// <summary>Reads a line.</summary>
    public static DomainScore Parse(string line)
    {
        var pairs = line.Split('\t').Chunk(2)
            .Select(parts =>
                KeyValuePair.Create(
                    Uri.UnescapeDataString(parts[1]), double.Parse(parts[0], CultureInfo.InvariantCulture))).ToList();
        return new(pairs[0].Key, pairs[0].Value, pairs.Count == 1 ? null : new(pairs.Skip(1)));
    }
}

using System.Collections.Immutable;
using System.Text.Json;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// What distilling at one place did to a merged network, <see cref="NetworkMerger.DistillAtPlace"/>. It travels with the
/// network, in its metadata.
/// </summary>
/// <param name="Network"><see cref="Networks.Network.ParametersSha256"/> of the place's own network.</param>
/// <param name="Images">The number of images that it was trained on.</param>
/// <param name="AgreementBefore">
/// The share of these images, or of their pixels, for which the draft found the class that the place's own network finds,
/// from 0 to 1.
/// </param>
/// <param name="AgreementAfter">The same of the trained network.</param>
public sealed record DistillationReport(string Network, long Images, double AgreementBefore, double AgreementAfter)
{
    private static readonly JsonSerializerOptions _json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Reads the reports that a network carries.</summary>
    /// <param name="network">The network.</param>
    /// <returns>One for each place, in the order in which it was distilled there; empty if it was not.</returns>
    public static IReadOnlyList<DistillationReport> Of(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return Of(network.Metadata);
    }

    /// <summary>Adds a report to those in a network's metadata.</summary>
    internal ImmutableSortedDictionary<string, string> AddTo(ImmutableSortedDictionary<string, string> metadata) =>
        metadata.SetItem(NetworkMetadata.Distilled, JsonSerializer.Serialize(Of(metadata).Append(this), _json));

    private static DistillationReport[] Of(ImmutableSortedDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(NetworkMetadata.Distilled, out var text))
            return [];
        try
        {
            return JsonSerializer.Deserialize<DistillationReport[]>(text, _json) ?? [];
        }
        catch (JsonException)
        {
            // What another program has written there is no report.
            return [];
        }
    }
}

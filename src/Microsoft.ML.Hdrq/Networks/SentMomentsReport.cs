using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>What moments a network carries for merging, as its <see cref="Network.Metadata"/> says.</summary>
public sealed record SentMomentsReport
{
    private static readonly JsonSerializerOptions _json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    [JsonConstructor]
    internal SentMomentsReport(MomentsKind kind, long images, MomentNoise? noise)
    {
        Kind = kind;
        Images = images;
        Noise = noise;
    }

    /// <summary>Which moments they are.</summary>
    public MomentsKind Kind { get; }

    /// <summary>
    /// The number of images that the moments are of; where there are none because images were too few, their number.
    /// </summary>
    public long Images { get; }

    /// <summary>The noise on them, and so what is guaranteed; null for none.</summary>
    public MomentNoise? Noise { get; }

    /// <summary>The number of layers of whose inputs there are moments.</summary>
    [JsonIgnore]
    public int Layers { get; private init; }

    /// <summary>How much of a file they take, in bytes.</summary>
    [JsonIgnore]
    public long Bytes { get; private init; }

    /// <summary>Reads what a network says.</summary>
    /// <param name="network">The network.</param>
    /// <returns>The report; null if the network says nothing, as those do that were told to send nothing.</returns>
    public static SentMomentsReport? Of(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return Of(network.Metadata);
    }

    /// <summary>Reads what a network's metadata says.</summary>
    /// <inheritdoc cref="Of(Network)" path="/returns"/>
    internal static SentMomentsReport? Of(ImmutableSortedDictionary<string, string> metadata) =>
        Read(metadata.GetValueOrDefault(NetworkMetadata.SentMoments), InputGrams.In(metadata));

    private static SentMomentsReport? Read(string? text, IEnumerable<KeyValuePair<string, string>> moments)
    {
        if (text is null)
            return null;
        try
        {
            var entries = moments.ToList();
            return JsonSerializer.Deserialize<SentMomentsReport>(text, _json) is { } report
                ? report with { Layers = entries.Count, Bytes = entries.Sum(entry => (long)entry.Value.Length) }
                : null;
        }
        catch (JsonException)
        {
            // What another program has written there is no report.
            return null;
        }
    }

    /// <summary>Reads what the networks said that a merged network keeps the moments of.</summary>
    /// <param name="merged">The merged network.</param>
    /// <returns>
    /// The reports, in the order of <see cref="NetworkMetadata.Merged"/>; null for those that said nothing. Empty where
    /// no moments are kept.
    /// </returns>
    public static IReadOnlyList<SentMomentsReport?> OfKept(Network merged)
    {
        ArgumentNullException.ThrowIfNull(merged);
        return OfKept(merged.Metadata);
    }

    /// <inheritdoc cref="OfKept(Network)"/>
    internal static IReadOnlyList<SentMomentsReport?> OfKept(ImmutableSortedDictionary<string, string> metadata) =>
        InputGrams.AreKept(metadata)
            ? [.. Enumerable.Range(0, metadata.GetValueOrDefault(NetworkMetadata.Merged, "").Split(' ').Length)
                .Select(place => Read(InputGrams.KeptSent(metadata, place), InputGrams.InKept(metadata, place)))]
            : [];

    /// <summary>The report as JSON.</summary>
    internal string Write() => JsonSerializer.Serialize(this, _json);
}

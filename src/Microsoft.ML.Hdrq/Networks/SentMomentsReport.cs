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
    internal static SentMomentsReport? Of(ImmutableSortedDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(NetworkMetadata.SentMoments, out var text))
            return null;
        try
        {
            var entries = InputGrams.In(metadata).ToList();
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

    /// <summary>The report as JSON.</summary>
    internal string Write() => JsonSerializer.Serialize(this, _json);
}

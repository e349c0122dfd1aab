using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// What adapting without labels did to a network, and whether it seems to have helped. It travels with the network, in
/// its metadata.
/// </summary>
public sealed record AdaptationReport
{
    private static readonly JsonSerializerOptions _json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    [JsonConstructor]
    internal AdaptationReport(
        AdaptationMethod method, int images, string? keptSource, UnlabelledScores before, UnlabelledScores after)
    {
        Method = method;
        Images = images;
        KeptSource = keptSource;
        Before = before;
        After = after;
    }

    /// <summary>The method that was asked for.</summary>
    public AdaptationMethod Method { get; }

    /// <summary>The number of images.</summary>
    public int Images { get; }

    /// <summary>
    /// Why the network is the source, unchanged, as one sentence; null if it was adapted.
    /// </summary>
    public string? KeptSource { get; }

    /// <summary>The scores of the source network on the domain's images.</summary>
    public UnlabelledScores Before { get; }

    /// <summary>
    /// The scores of the adapted network on them, also if it was not kept. Low entropy alone says little: it is what
    /// adapting strives for.
    /// </summary>
    public UnlabelledScores After { get; }

    /// <summary>Reads the report that a network carries.</summary>
    /// <param name="network">The network.</param>
    /// <returns>The report; null if it has none.</returns>
    public static AdaptationReport? Of(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return Of(network.Metadata);
    }

    /// <summary>Reads the report that is in a network's metadata.</summary>
    /// <param name="metadata">The metadata, such as <c>Network.ReadOnnxMetadata</c> gives it.</param>
    /// <returns>The report; null if it has none.</returns>
    public static AdaptationReport? Of(IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        if (!metadata.TryGetValue(NetworkMetadata.Adaptation, out var text))
            return null;
        try
        {
            return JsonSerializer.Deserialize<AdaptationReport>(text, _json);
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

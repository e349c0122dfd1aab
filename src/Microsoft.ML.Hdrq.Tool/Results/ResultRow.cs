
namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>One measured network: where it comes from and its accuracy in each domain.</summary>
internal sealed record ResultRow
{
    /// <summary>
    /// The stage that made the network: <c>source</c>, <c>adapted</c>, <c>quantized</c> or <c>merged</c>.
    /// </summary>
    public required string Stage { get; init; }

    /// <summary>The method: <c>FP32</c>, <c>RTN</c>, <c>HDRQ</c>, or another of those that are compared.</summary>
    public required string Method { get; init; }

    /// <summary>The network's name, which is also that of its file.</summary>
    public required string Network { get; init; }

    /// <summary>What the task measures by domain, fractions in [0, 1], in the order in which they are shown.</summary>
    public required OrderedDictionary<string, double> Domains { get; init; }

    /// <summary>
    /// The same by domain and class, of the classes that were there to be found; null where the task does not measure
    /// classes.
    /// </summary>
    public OrderedDictionary<string, OrderedDictionary<string, double>>? Classes { get; init; }

    /// <summary>Bits of the weights; null for FP32, and where layers have different ones.</summary>
    public int? WeightBits { get; init; }

    /// <summary>
    /// Bits of the weights on average, where layers have different ones, but for the first and the last; null
    /// elsewhere.
    /// </summary>
    public double? AverageWeightBits { get; init; }

    /// <summary>Bits of the activations; null for FP32.</summary>
    public int? ActivationBits { get; init; }

    /// <summary>Steps for each block; null where nothing was reconstructed.</summary>
    public int? Iterations { get; init; }

    /// <summary>The seed of the run; null where nothing is random.</summary>
    public int? Seed { get; init; }

    /// <summary>The domain that the network was adapted to; null for the source and for merged networks.</summary>
    public string? Domain { get; init; }

    /// <summary>
    /// Why a network that was to be adapted without labels is the source, unchanged; null where it was adapted.
    /// </summary>
    public string? KeptSource { get; init; }

    /// <summary>The domains whose networks were merged; null for a network that is not merged.</summary>
    public IReadOnlyList<string>? Merged { get; init; }

    /// <summary>
    /// How networks were merged: <c>default</c> (by RegMean where they carry Gram matrices, else by their mean), or
    /// another of the ways that are compared; null for a network that is not merged.
    /// </summary>
    public string? Merging { get; init; }

    /// <summary>
    /// Harmonic mean of the scores in the merged domains, a fraction in [0, 1]; null for a network that is not merged.
    /// </summary>
    public double? HarmonicMean { get; init; }

    /// <summary>Size of the network's ONNX file in bytes.</summary>
    public long? Bytes { get; init; }
}

namespace ImageClassificationMerge.Results;

/// <summary>One measured network: where it comes from and its accuracy in each domain.</summary>
internal sealed record ResultRow
{
    /// <summary>The stage that made the network, such as <c>source</c>, <c>adapted</c>, <c>quantized</c> or <c>merged</c>.</summary>
    public required string Stage { get; init; }

    /// <summary>The method, such as <c>FP32</c>.</summary>
    public required string Method { get; init; }

    /// <summary>The network's name.</summary>
    public required string Network { get; init; }

    /// <summary>Accuracy by domain, fractions in [0, 1], in the order in which they are shown.</summary>
    public required OrderedDictionary<string, double> Domains { get; init; }

    /// <summary>Bits of the weights; null for FP32.</summary>
    public int? WeightBits { get; init; }

    /// <summary>Bits of the activations; null for FP32.</summary>
    public int? ActivationBits { get; init; }

    /// <summary>The seed of the run; null where nothing is random.</summary>
    public int? Seed { get; init; }

    /// <summary>The domains whose networks were merged; null for a network that is not merged.</summary>
    public IReadOnlyList<string>? Merged { get; init; }

    /// <summary>Harmonic mean of the accuracies that the stage compares, a fraction in [0, 1]; null when not computed.</summary>
    public double? HarmonicMean { get; init; }

    /// <summary>Size of the network's file in bytes; null when it was not saved.</summary>
    public long? Bytes { get; init; }
}

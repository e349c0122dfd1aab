namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>What all steps that read rows for a network have in common: which rows, the seed, where is computed, and how it is ended.</summary>
public abstract record NetworkRowOptions
{
    private protected NetworkRowOptions()
    {
    }

    /// <summary>The column that says which domain a row is of, text or a key with text values; null, the default, to use all rows.</summary>
    public string? DomainColumnName { get; init; }

    /// <summary>The domain whose rows are used; null together with <see cref="DomainColumnName"/>.</summary>
    public string? Domain { get; init; }

    /// <summary>The seed of everything random; null, the default, for one that follows from the context's.</summary>
    public int? Seed { get; init; }

    /// <summary>Ends the work between two of its steps; nothing is changed then.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>The GPU to compute on; null, the default, for what <see cref="MLContext.GpuDeviceId"/> says.</summary>
    public int? GpuDeviceId { get; init; }

    /// <summary>Whether the CPU takes the place of a GPU that is not there; null, the default, for what <see cref="MLContext.FallbackToCpu"/> says.</summary>
    public bool? FallbackToCpu { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal virtual void Check()
    {
        if (DomainColumnName is "" || (DomainColumnName is null && Domain is not null))
            throw Errors.Option(nameof(DomainColumnName), DomainColumnName, $"{nameof(DomainColumnName)} is missing, and {nameof(Domain)} is '{Domain}'; give both, or neither to use all rows.");
        if (DomainColumnName is not null && string.IsNullOrEmpty(Domain))
            throw Errors.Option(nameof(Domain), Domain, $"{nameof(Domain)} is missing, and {nameof(DomainColumnName)} is '{DomainColumnName}'; give both, or neither to use all rows.");
        TrainingHost.CheckRange(nameof(GpuDeviceId), GpuDeviceId ?? 0, 0, int.MaxValue, "null or not negative");
    }
}

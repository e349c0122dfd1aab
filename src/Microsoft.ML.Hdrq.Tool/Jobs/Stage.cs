namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>The stages of the job, in order; each makes networks of those before.</summary>
internal enum Stage
{
    /// <summary>The pretrained network.</summary>
    Source,

    /// <summary>One network for each domain, in full precision.</summary>
    Adapted,

    /// <summary>One network for each domain and method, quantized.</summary>
    Quantized,

    /// <summary>One network for several domains.</summary>
    Merged,
}

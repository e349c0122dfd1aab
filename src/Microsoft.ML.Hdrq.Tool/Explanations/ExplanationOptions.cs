namespace Microsoft.ML.Hdrq.Tool.Explanations;

/// <summary>How closely networks are looked at.</summary>
internal sealed record ExplanationOptions
{
    /// <summary>
    /// Test images of a domain for curvature and sensitivity; lines between networks are measured on twice as many.
    /// </summary>
    public int Images { get; init; } = 128;

    /// <summary>Points on a line between two networks, less one.</summary>
    public int Steps { get; init; } = 8;

    /// <summary>Random vectors for the trace of the Hessian.</summary>
    public int Probes { get; init; } = 4;

    /// <summary>The maximum number of steps to the largest eigenvalue.</summary>
    public int PowerIterations { get; init; } = 8;
}

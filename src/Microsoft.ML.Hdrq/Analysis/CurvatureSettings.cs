namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>What is measured of a curvature, and how closely.</summary>
internal sealed record CurvatureSettings
{
    public CurvatureLoss Loss { get; init; } = CurvatureLoss.CrossEntropy;

    /// <summary>Random vectors for the trace.</summary>
    public int Probes { get; init; } = 10;

    /// <summary>The most steps of a power iteration; 0 for no eigenvalues.</summary>
    public int PowerIterations { get; init; } = 20;

    /// <summary>The relative change of an eigenvalue in a step at which the iteration ends.</summary>
    public double Tolerance { get; init; } = 1e-3;

    /// <summary>Whether the blocks' eigenvalues are found too, each with an iteration of its own.</summary>
    public bool BlockEigenvalues { get; init; }
}

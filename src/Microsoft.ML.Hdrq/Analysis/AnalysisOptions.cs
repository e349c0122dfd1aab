using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Options of the analyses of networks. One set serves all analyses; each reads the options that concern it.
/// </summary>
public sealed record AnalysisOptions
{
    /// <summary>
    /// The number of rows computed together, from 1 to 65,536; 64 by default. Curvature needs memory for all values
    /// of a batch and for their derivatives.
    /// </summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>
    /// The number of parts into which the line between two networks, or the edge of a triangle, is divided, from 1
    /// to 10,000; 10 by default. A triangle has <c>(n + 1)(n + 2) / 2</c> points.
    /// </summary>
    public int Steps { get; init; } = 10;

    /// <summary>
    /// The method that merges the networks into mixtures; <see cref="MergeMethod.Mean"/> by default, whose mixtures lie
    /// on the straight line between the networks. (The default of <c>MergeNetworks</c> is
    /// <see cref="MergeMethod.Automatic"/>.)
    /// </summary>
    public MergeMethod Method { get; init; } = MergeMethod.Mean();

    /// <summary>The loss whose curvature is measured; <see cref="CurvatureLoss.CrossEntropy"/> by default.</summary>
    public CurvatureLoss Loss { get; init; } = CurvatureLoss.CrossEntropy;

    /// <summary>
    /// The number of random vectors for the trace of the Hessian, at least 1; 10 by default. The report has the
    /// standard error.
    /// </summary>
    public int Probes { get; init; } = 10;

    /// <summary>
    /// The maximum number of steps of a power iteration, not negative; 20 by default, 0 for no eigenvalues. The
    /// iteration ends earlier when a step changes the eigenvalue by less than a thousandth.
    /// </summary>
    public int PowerIterations { get; init; } = 20;

    /// <summary>
    /// Whether the largest eigenvalue of each block is computed too, each with its own power iteration; false by
    /// default. Traces of blocks cost nothing more.
    /// </summary>
    public bool BlockEigenvalues { get; init; }

    /// <summary>
    /// The network from which distances are measured. Null, the default, stands for the network that the score columns
    /// name as their source. The caller keeps it.
    /// </summary>
    public Network? Source { get; init; }

    /// <summary>Receives a report of every step, on the thread that computes; null by default.</summary>
    public IProgress<AnalysisProgress>? Progress { get; init; }

    /// <summary>The power iteration ends when a step changes the eigenvalue by at most this share.</summary>
    internal double Tolerance { get; init; } = 1e-3;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.BatchSize(nameof(BatchSize), BatchSize);
        OptionCheck.Count(nameof(Steps), Steps, 1, 10_000);
        OptionCheck.Count(nameof(Probes), Probes, 1);
        OptionCheck.Count(nameof(PowerIterations), PowerIterations, 0);
        OptionCheck.Defined(nameof(Loss), Loss, "a loss");
        OptionCheck.Given(nameof(Method), Method);
    }
}

using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How closely networks are analysed. One set of options serves all analyses; each reads those that concern it.</summary>
public sealed record AnalysisOptions
{
    /// <summary>Rows computed together, at least 1; 64 by default. Curvature needs memory for all values of a batch, and their derivatives.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>
    /// Into how many parts the line between two networks, or the edge of a triangle, is divided, at least 1; 10 by default.
    /// A triangle has <c>(n + 1)(n + 2) / 2</c> points.
    /// </summary>
    public int Steps { get; init; } = 10;

    /// <summary>
    /// By which method networks are merged into those that lie between them; <see cref="MergeMethod.Mean"/> by default, whose mixtures
    /// are on the straight line, in place of <see cref="MergeMethod.Automatic"/>, by which <c>MergeNetworks</c> merges by default.
    /// </summary>
    public MergeMethod Method { get; init; } = MergeMethod.Mean();

    /// <summary>The loss whose curvature is measured; <see cref="CurvatureLoss.CrossEntropy"/> by default.</summary>
    public CurvatureLoss Loss { get; init; } = CurvatureLoss.CrossEntropy;

    /// <summary>Random vectors for the trace of the Hessian, at least 1; 10 by default. The report has the standard error.</summary>
    public int Probes { get; init; } = 10;

    /// <summary>
    /// The most steps of a power iteration, which ends when a step changes the eigenvalue by less than a thousandth; not
    /// negative, 0 for no eigenvalues. 20 by default.
    /// </summary>
    public int PowerIterations { get; init; } = 20;

    /// <summary>Whether the largest eigenvalue is found for each block too, each with a power iteration of its own; false by default. Traces of blocks cost nothing more.</summary>
    public bool BlockEigenvalues { get; init; }

    /// <summary>The network to measure distances from; null, the default, for the one that the score columns name as their source. The caller keeps it.</summary>
    public Network? Source { get; init; }

    /// <summary>Told of every step, on the thread that computes; null by default.</summary>
    public IProgress<AnalysisProgress>? Progress { get; init; }

    /// <summary>The relative change of an eigenvalue in a step at which the power iteration ends.</summary>
    internal double Tolerance { get; init; } = 1e-3;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Range(nameof(BatchSize), BatchSize, 1, int.MaxValue, "at least 1");
        OptionCheck.Range(nameof(Steps), Steps, 1, int.MaxValue, "at least 1");
        OptionCheck.Range(nameof(Probes), Probes, 1, int.MaxValue, "at least 1");
        OptionCheck.Range(nameof(PowerIterations), PowerIterations, 0, int.MaxValue, "not negative");
        OptionCheck.Defined(nameof(Loss), Loss, "a loss");
        OptionCheck.Given(nameof(Method), Method);
    }
}

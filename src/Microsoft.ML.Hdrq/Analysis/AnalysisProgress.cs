namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The progress of an analysis.</summary>
public readonly struct AnalysisProgress
{
    internal AnalysisProgress(int done, int total)
    {
        Done = done;
        Total = total;
    }

    /// <summary>The number of steps done, at least 1.</summary>
    public int Done { get; }

    /// <summary>The total number of steps, at most.</summary>
    public int Total { get; }
}

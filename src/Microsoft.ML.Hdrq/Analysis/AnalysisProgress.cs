namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How far an analysis is.</summary>
public readonly struct AnalysisProgress
{
    internal AnalysisProgress(int done, int total)
    {
        Done = done;
        Total = total;
    }

    /// <summary>Steps done, from 1.</summary>
    public int Done { get; }

    /// <summary>Steps in all, at most.</summary>
    public int Total { get; }
}

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>How far an analysis is.</summary>
/// <param name="Done">Steps done, from 1.</param>
/// <param name="Total">Steps in all, at most.</param>
public readonly record struct AnalysisProgress(int Done, int Total);

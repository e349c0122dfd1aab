namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The curvature of the loss in the weights of a block, or of all of a network.</summary>
/// <param name="Name">The block's name, that of its first layer; empty for the whole network.</param>
/// <param name="Weights">The number of weights.</param>
/// <param name="Trace">The trace of the Hessian.</param>
/// <param name="TraceStandardError">The standard error of the trace, over the random vectors that it was estimated with; NaN where there was one.</param>
/// <param name="LargestEigenvalue">The largest eigenvalue; null where it was not asked for.</param>
public sealed record BlockCurvature(string Name, long Weights, double Trace, double TraceStandardError, double? LargestEigenvalue);

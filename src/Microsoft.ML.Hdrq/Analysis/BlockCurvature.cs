namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The curvature of the loss in the weights of a block, or in all weights of a network.</summary>
public sealed class BlockCurvature
{
    internal BlockCurvature(
        string name, long weights, double trace, double traceStandardError, double? largestEigenvalue)
    {
        Name = name;
        Weights = weights;
        Trace = trace;
        TraceStandardError = traceStandardError;
        LargestEigenvalue = largestEigenvalue;
    }

    /// <summary>The name of the block, which is that of its first layer; empty for the whole network.</summary>
    public string Name { get; }

    /// <summary>The number of weights.</summary>
    public long Weights { get; }

    /// <summary>The trace of the Hessian.</summary>
    public double Trace { get; }

    /// <summary>
    /// The standard error of the trace, over the random vectors of the estimate; NaN with a single vector.
    /// </summary>
    public double TraceStandardError { get; }

    /// <summary>The largest eigenvalue; null if it was not asked for.</summary>
    public double? LargestEigenvalue { get; }
}

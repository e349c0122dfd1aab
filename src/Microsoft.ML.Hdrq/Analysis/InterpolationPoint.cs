using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>A mixture of networks, merged with these weights or one of the networks itself, and how well it does.</summary>
public sealed class InterpolationPoint
{
    internal InterpolationPoint(ImmutableArray<double> weights, double loss, double accuracy)
    {
        Weights = weights;
        Loss = loss;
        Accuracy = accuracy;
    }

    /// <summary>The networks' shares, of sum 1.</summary>
    public ImmutableArray<double> Weights { get; }

    /// <summary>The mean cross-entropy.</summary>
    public double Loss { get; }

    /// <summary>The top-1 accuracy, a fraction; of pixels where these have labels.</summary>
    public double Accuracy { get; }
}

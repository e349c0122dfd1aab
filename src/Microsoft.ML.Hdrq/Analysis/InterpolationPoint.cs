using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>A mixture of networks, or one of the networks themselves, with its loss and accuracy.</summary>
public sealed class InterpolationPoint
{
    internal InterpolationPoint(ImmutableArray<double> weights, double loss, double accuracy)
    {
        Weights = weights;
        Loss = loss;
        Accuracy = accuracy;
    }

    /// <summary>The shares of the networks, which sum to 1.</summary>
    public ImmutableArray<double> Weights { get; }

    /// <summary>The mean cross-entropy.</summary>
    public double Loss { get; }

    /// <summary>The top-1 accuracy, a fraction; over pixels where pixels have labels.</summary>
    public double Accuracy { get; }
}

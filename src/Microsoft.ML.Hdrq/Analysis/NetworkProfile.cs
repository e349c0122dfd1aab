namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>One network in a comparison.</summary>
public sealed class NetworkProfile
{
    internal NetworkProfile(
        string name, double loss, double accuracy, CurvatureReport curvature, DistanceReport? distance)
    {
        Name = name;
        Loss = loss;
        Accuracy = accuracy;
        Curvature = curvature;
        Distance = distance;
    }

    /// <summary>The name of the network, which is that of its score column.</summary>
    public string Name { get; }

    /// <summary>The mean cross-entropy.</summary>
    public double Loss { get; }

    /// <summary>The top-1 accuracy, a fraction.</summary>
    public double Accuracy { get; }

    /// <summary>The curvature of the loss at its weights.</summary>
    public CurvatureReport Curvature { get; }

    /// <summary>The distance from the source; null where no source is known.</summary>
    public DistanceReport? Distance { get; }
}

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Which second moments of its layers' inputs a network carries.</summary>
public enum MomentsKind
{
    /// <summary>
    /// <see cref="LowRank"/>; where there are fewer images than <see cref="SentMoments.MinImages"/>,
    /// <see cref="Nothing"/>, with a warning.
    /// </summary>
    Automatic,

    /// <summary>None: networks are merged by their mean.</summary>
    Nothing,

    /// <summary>
    /// Of each layer the means of its inputs, their variances, and the 8 directions in which they vary most: a few
    /// bytes for each input (ResNet-20: 93 kB).
    /// </summary>
    LowRank,

    /// <summary>
    /// Of each layer the means of its inputs and their whole covariance, in half precision: a byte for each pair of
    /// inputs, and a third more as text (ResNet-20: 3 MB).
    /// </summary>
    Whole,
}

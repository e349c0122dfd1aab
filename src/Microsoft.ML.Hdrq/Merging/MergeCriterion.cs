namespace Microsoft.ML.Hdrq.Merging;

/// <summary>The measure by which the weights of networks are chosen.</summary>
public enum MergeCriterion
{
    /// <summary>
    /// The mean entropy of predictions, which needs no labels: the surer a merged network is of its predictions, the
    /// better it is taken to be (compare Yang et al., "AdaMerging", ICLR 2024).
    /// </summary>
    Entropy,

    /// <summary>The mean cross-entropy over labelled rows.</summary>
    Loss,

    /// <summary>
    /// The share of correct predictions over labelled rows; among equally good weights, the first found wins.
    /// </summary>
    Accuracy,
}

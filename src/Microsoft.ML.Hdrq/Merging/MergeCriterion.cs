namespace Microsoft.ML.Hdrq.Merging;

/// <summary>By what the weights of networks are chosen.</summary>
public enum MergeCriterion
{
    /// <summary>The mean entropy of predictions, which needs no labels: a merged network that is sure of what it sees is taken for a better one (compare Yang et al., "AdaMerging", ICLR 2024).</summary>
    Entropy,

    /// <summary>The mean cross-entropy, of labelled rows.</summary>
    Loss,

    /// <summary>The share of right predictions, of labelled rows; of equally good weights, the first found.</summary>
    Accuracy,
}

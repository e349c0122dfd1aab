namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>The rule that updates the weights in fine-tuning.</summary>
public enum FineTuningOptimizer
{
    /// <summary>Stochastic gradient descent with momentum.</summary>
    Sgd,

    /// <summary>
    /// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019).
    /// </summary>
    AdamW,
}

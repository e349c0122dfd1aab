namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>The rule by which fine-tuning changes weights.</summary>
public enum FineTuningOptimizer
{
    /// <summary>Stochastic gradient descent with momentum.</summary>
    Sgd,

    /// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019).</summary>
    AdamW,
}

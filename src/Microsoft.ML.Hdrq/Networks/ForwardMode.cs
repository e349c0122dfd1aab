namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The purpose of a forward pass.</summary>
public enum ForwardMode
{
    /// <summary>Scores only: no gradients are recorded, values are freed as soon as nothing needs them.</summary>
    Inference,

    /// <summary>Gradients are recorded; normalizations use their running statistics and dropout does nothing.</summary>
    Gradient,

    /// <summary>
    /// Gradients are recorded; batch normalization uses the batch's statistics and updates the running ones, dropout is
    /// active.
    /// </summary>
    Training,
}

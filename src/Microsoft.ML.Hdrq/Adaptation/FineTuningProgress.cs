namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>The progress of fine-tuning.</summary>
public readonly struct FineTuningProgress
{
    internal FineTuningProgress(int step, int steps, double loss, int epoch, double? validationAccuracy)
    {
        Step = step;
        Steps = steps;
        Loss = loss;
        Epoch = epoch;
        ValidationAccuracy = validationAccuracy;
    }

    /// <summary>The number of steps done, at least 1.</summary>
    public int Step { get; }

    /// <summary>The total number of steps; fewer are done if training ends early.</summary>
    public int Steps { get; }

    /// <summary>The cross-entropy of the last batch; 0 if none of its pixels has a class.</summary>
    public double Loss { get; }

    /// <summary>The number of epochs that are finished.</summary>
    public int Epoch { get; }

    /// <summary>
    /// The accuracy on the validation rows after the last finished epoch, 0 to 1; null before the first one, and
    /// without such rows.
    /// </summary>
    public double? ValidationAccuracy { get; }
}

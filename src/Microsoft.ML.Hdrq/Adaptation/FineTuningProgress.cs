namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>The progress of fine-tuning.</summary>
public readonly struct FineTuningProgress
{
    internal FineTuningProgress(int step, int steps, double loss)
    {
        Step = step;
        Steps = steps;
        Loss = loss;
    }

    /// <summary>The number of steps done, at least 1.</summary>
    public int Step { get; }

    /// <summary>The total number of steps.</summary>
    public int Steps { get; }

    /// <summary>The cross-entropy of the last batch; 0 if none of its pixels has a class.</summary>
    public double Loss { get; }
}

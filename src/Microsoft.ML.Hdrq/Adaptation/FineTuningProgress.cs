namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>How far fine-tuning is.</summary>
public readonly struct FineTuningProgress
{
    internal FineTuningProgress(int step, int steps, double loss)
    {
        Step = step;
        Steps = steps;
        Loss = loss;
    }

    /// <summary>Steps done, from 1.</summary>
    public int Step { get; }

    /// <summary>Steps in all.</summary>
    public int Steps { get; }

    /// <summary>The cross-entropy of the last batch; 0 where none of its pixels has a class.</summary>
    public double Loss { get; }
}

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>How far fine-tuning is.</summary>
/// <param name="Step">Steps done, from 1.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">The cross-entropy of the last batch; 0 where none of its pixels has a class.</param>
public readonly record struct FineTuningProgress(int Step, int Steps, double Loss);

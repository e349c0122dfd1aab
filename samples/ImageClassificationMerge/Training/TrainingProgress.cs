namespace ImageClassificationMerge.Training;

/// <summary>How far training is.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">Cross-entropy of the last batch.</param>
internal readonly record struct TrainingProgress(int Step, int Steps, float Loss);

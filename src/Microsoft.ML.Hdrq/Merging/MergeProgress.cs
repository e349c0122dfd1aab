namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A report of merging layers again, after each step.</summary>
/// <param name="Step">The number of finished steps.</param>
/// <param name="Steps">The number of all steps: the layers, but that those that do not depend on each other count once.
/// </param>
/// <param name="Layer">The name of the last layer that was merged again.</param>
public readonly record struct MergeProgress(int Step, int Steps, string Layer);

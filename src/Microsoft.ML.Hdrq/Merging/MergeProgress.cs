namespace Microsoft.ML.Hdrq.Merging;

/// <summary>A report of merging, after each step.</summary>
/// <param name="Step">The number of finished steps.</param>
/// <param name="Steps">
/// The number of all steps. Of a second round: the layers, but that those that do not depend on each other count once.
/// Of a merge of files: the files, which are read first, and the layers.
/// </param>
/// <param name="Layer">The name of the last layer that was merged, or of the last file that was read.</param>
public readonly record struct MergeProgress(int Step, int Steps, string Layer);

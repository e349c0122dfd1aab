namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// What a merge does with unlabelled images of the places whose networks are merged, where it is given any. Each one
/// begins with what the one before it gives.
/// </summary>
public enum MergeRefinement
{
    /// <summary>Nothing: the images are not looked at.</summary>
    None,

    /// <summary>
    /// The layers are merged again, from the first to the last, on what they read in the merged network, so that they
    /// give what each place's own network gives on the same images: in closed form, without training. It takes one
    /// pass of each network over the images for each layer, or for several that do not depend on each other.
    /// </summary>
    SecondRound,

    /// <summary>
    /// The merged network is then trained, as a whole and on its integers, to give on each place's images what the
    /// place's own network gives. See <see cref="DistillationOptions"/>.
    /// </summary>
    Distillation,
}

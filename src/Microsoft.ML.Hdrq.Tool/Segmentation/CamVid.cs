namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>
/// CamVid with 11 classes: Brostow, Fauqueur and Cipolla, "Semantic object classes in video: A high-definition ground
/// truth database" (2009), in the form of the SegNet tutorial
/// (Kendall, Badrinarayanan and Cipolla). Its value 11 is void.
/// </summary>
internal static class CamVid
{
    /// <summary>The classes in the order of their numbers.</summary>
    public static IReadOnlyList<string> Classes { get; } =
        ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"];
}

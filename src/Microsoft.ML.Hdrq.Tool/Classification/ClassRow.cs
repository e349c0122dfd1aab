namespace Microsoft.ML.Hdrq.Tool.Classification;

/// <summary>A class name by itself: the list of these gives keys the order of the network's outputs.</summary>
internal sealed class ClassRow
{
    /// <summary>Name of the class.</summary>
    public string ClassName { get; set; } = "";
}

using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Classification;

/// <summary>An image and its class.</summary>
internal sealed class LabeledImageRow : ImageRow
{
    /// <summary>Name of the class.</summary>
    public string ClassName { get; set; } = "";
}

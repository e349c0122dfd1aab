namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>A row of an image and its place.</summary>
internal sealed class DomainRow : ImageRow
{
    /// <summary>The place.</summary>
    public string Domain { get; set; } = "";
}

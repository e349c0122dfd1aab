namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>Names of the splits on disk.</summary>
internal static class DataSplits
{
    /// <summary>Both splits, training first.</summary>
    public static IReadOnlyList<DataSplit> All { get; } = [DataSplit.Train, DataSplit.Test];

    /// <summary>The folder name of a split: <c>train</c> or <c>test</c>.</summary>
    public static string FolderName(this DataSplit split) => split switch
    {
        DataSplit.Train => "train",
        DataSplit.Test => "test",
        _ => throw new ArgumentOutOfRangeException(nameof(split), split, "Unknown split."),
    };
}

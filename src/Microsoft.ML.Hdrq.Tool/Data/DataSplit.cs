namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>The two parts of a domain's images.</summary>
internal enum DataSplit
{
    /// <summary>Images to train and calibrate on; folder <c>train</c>.</summary>
    Train,

    /// <summary>Images to measure on; folder <c>test</c>.</summary>
    Test,
}

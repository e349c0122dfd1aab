namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>A test image, and what a network says of it.</summary>
/// <param name="Domain">The image's domain.</param>
/// <param name="Name">What tells the image apart from others of its domain.</param>
/// <param name="Picture">The image as PNG.</param>
/// <param name="Truth">What it is.</param>
/// <param name="Predicted">What the network says.</param>
internal sealed record SamplePrediction(string Domain, string Name, byte[] Picture, string Truth, string Predicted)
{
    /// <summary>What the image is, as PNG, where that is a picture; null elsewhere.</summary>
    public byte[]? TruePicture { get; init; }

    /// <summary>What the network says, as PNG, where that is a picture; null elsewhere.</summary>
    public byte[]? PredictedPicture { get; init; }
}

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>What the scores of a network mean.</summary>
internal enum PredictionKind
{
    /// <summary>Unknown: there is no column besides the scores.</summary>
    None,

    /// <summary>A score for each class: the best is the label.</summary>
    Label,

    /// <summary>A score for each class in each pixel: the best ones are the mask.</summary>
    Mask,
}

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// The basis for choosing the bits of layers if a size or a loss of accuracy is given instead of bits.
/// </summary>
public enum BitAllocationBasis
{
    /// <summary>
    /// The weights of the source network alone, without images: the relative error of each layer's weight for each
    /// number of bits. All sites with the same source choose the same bits, so that their networks can be merged. If no
    /// source is known, the network's own weights are used.
    /// </summary>
    SourceWeights,

    /// <summary>
    /// The calibration images: how much the network's scores change when one layer's weight is quantized, for each
    /// layer and number of bits. Another site's images can lead to other bits, and networks with different bits cannot
    /// be merged: pass one site's bits to the others with <see cref="LayerOverride.Of"/>.
    /// </summary>
    Images,
}

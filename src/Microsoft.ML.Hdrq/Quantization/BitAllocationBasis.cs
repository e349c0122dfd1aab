namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>By what the bits of layers are chosen where a size or a loss of accuracy is given in place of bits.</summary>
public enum BitAllocationBasis
{
    /// <summary>
    /// The weights of the source network alone, without images: the relative error of each layer's weight at each number of bits. All sites that have the source choose the same, so that their networks
    /// can be merged. Where no source is known, the network's own weights.
    /// </summary>
    SourceWeights,

    /// <summary>
    /// The calibration images: how much the network's scores change when one layer's weight is quantized, for each layer and number of bits. Another site's images can choose other bits, with which networks
    /// cannot be merged: hand one site's on to the others with <see cref="LayerOverride.Of"/>.
    /// </summary>
    Images,
}

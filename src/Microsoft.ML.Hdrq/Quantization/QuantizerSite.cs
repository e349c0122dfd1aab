using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>A place in a graph where a quantizer goes.</summary>
/// <param name="Value">The value or parameter to quantize; all its readers then read the quantized value.</param>
/// <param name="Bits">The bits of the quantizer.</param>
/// <param name="Layer">The layer if the value is its weight; null for activations.</param>
/// <param name="IsReduced">Whether a weight of 8 bits has the range <see cref="QuantizationRange.Reduced"/>.</param>
internal sealed record QuantizerSite(string Value, int Bits, Layer? Layer, bool IsReduced = false)
{
    /// <summary>The range of the quantizer.</summary>
    /// <param name="isSigned">Whether the values can be negative, as weights can.</param>
    public QuantizationRange Range(bool isSigned) =>
        IsReduced ? QuantizationRange.Reduced : new QuantizationRange(Bits, isSigned);
}

using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>A place in a graph where a quantizer goes.</summary>
/// <param name="Value">The value or parameter to quantize; all its readers then read the quantized value.</param>
/// <param name="Bits">The bits of the quantizer.</param>
/// <param name="Layer">The layer if the value is its weight; null for activations.</param>
internal sealed record QuantizerSite(string Value, int Bits, Layer? Layer);

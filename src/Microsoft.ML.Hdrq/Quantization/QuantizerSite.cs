using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>A place in a graph where a quantizer goes.</summary>
/// <param name="Value">The value or parameter that is quantized; all its readers read the quantized one.</param>
/// <param name="Bits">The bits of the quantizer.</param>
/// <param name="Layer">The layer whose weight it is; null for activations.</param>
internal sealed record QuantizerSite(string Value, int Bits, Layer? Layer);

using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>What quantizing one layer, its weight and its input, does to a network.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Weights">The number of its weights.</param>
/// <param name="WeightBits">The bits of its weight; null where that is not quantized.</param>
/// <param name="ActivationBits">The bits of its input; null where that is not quantized.</param>
/// <param name="SignalToNoise">
/// The signal-to-noise ratio of the layer's output, in decibels, when only this layer is quantized: <c>10 log10(sum y^2 / sum (y_q - y)^2)</c>. Infinite where nothing changes.
/// </param>
/// <param name="LossAlone">The loss of the network when only this layer is quantized.</param>
/// <param name="LossWithout">The loss of the network when all but this layer is quantized. An input that several layers share is then not quantized for any of them.</param>
/// <param name="AccuracyAlone">The accuracy when only this layer is quantized, a fraction.</param>
/// <param name="AccuracyWithout">The accuracy when all but this layer is quantized, a fraction.</param>
public sealed record LayerSensitivity(
    string Layer, long Weights, int? WeightBits, int? ActivationBits, double SignalToNoise, double LossAlone, double LossWithout, double AccuracyAlone, double AccuracyWithout);

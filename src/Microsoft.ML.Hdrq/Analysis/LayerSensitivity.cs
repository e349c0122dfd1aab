namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The effect on a network of quantizing one layer, its weight and its input.</summary>
public sealed class LayerSensitivity
{
    internal LayerSensitivity(
        string layer, long weights, int? weightBits, int? activationBits, double signalToNoise,
        (double Loss, double Accuracy) alone, double lossAloneStandardError,
        (double Loss, double Accuracy) without, double lossWithoutStandardError)
    {
        Layer = layer;
        Weights = weights;
        WeightBits = weightBits;
        ActivationBits = activationBits;
        SignalToNoise = signalToNoise;
        (LossAlone, AccuracyAlone) = alone;
        LossAloneStandardError = lossAloneStandardError;
        (LossWithout, AccuracyWithout) = without;
        LossWithoutStandardError = lossWithoutStandardError;
    }

    /// <summary>The layer's name.</summary>
    public string Layer { get; }

    /// <summary>The number of elements of the layer's weight.</summary>
    public long Weights { get; }

    /// <summary>The bit width of its weight; null where the weight is not quantized.</summary>
    public int? WeightBits { get; }

    /// <summary>The bit width of its input; null where the input is not quantized.</summary>
    public int? ActivationBits { get; }

    /// <summary>
    /// The signal-to-noise ratio of the layer's output, in decibels, when only this layer is quantized:
    /// <c>10 log10(sum y^2 / sum (y_q - y)^2)</c>. Infinite where nothing changes.
    /// </summary>
    public double SignalToNoise { get; }

    /// <summary>The loss of the network when only this layer is quantized.</summary>
    public double LossAlone { get; }

    /// <summary>
    /// The standard error of <see cref="LossAlone"/> minus the loss in full precision, both on the same images; NaN
    /// with a single image. A rise below about two of it may be due to the choice of images.
    /// </summary>
    public double LossAloneStandardError { get; }

    /// <summary>
    /// The loss of the network when all layers except this one are quantized. An input that several layers share is
    /// then not quantized for any of them.
    /// </summary>
    public double LossWithout { get; }

    /// <summary>
    /// The standard error of the loss of the quantized network minus <see cref="LossWithout"/>, both on the same
    /// images; NaN with a single image.
    /// </summary>
    public double LossWithoutStandardError { get; }

    /// <summary>The accuracy when only this layer is quantized, a fraction.</summary>
    public double AccuracyAlone { get; }

    /// <summary>The accuracy when all layers except this one are quantized, a fraction.</summary>
    public double AccuracyWithout { get; }
}

using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// The sensitivity of a network to quantizing each of its layers, in descending order of the loss when only that layer
/// is quantized.
/// </summary>
public sealed class SensitivityReport
{
    internal SensitivityReport(
        int images, (double Loss, double Accuracy) fullPrecision, (double Loss, double Accuracy) quantized,
        IEnumerable<LayerSensitivity> layers)
    {
        Images = images;
        (FullPrecisionLoss, FullPrecisionAccuracy) = fullPrecision;
        (QuantizedLoss, QuantizedAccuracy) = quantized;
        Layers = [.. layers.OrderByDescending(layer => layer.LossAlone)];
    }

    /// <summary>The number of images with a label, or with a labelled pixel, on which all was measured.</summary>
    public int Images { get; }

    /// <summary>The loss of the network in full precision.</summary>
    public double FullPrecisionLoss { get; }

    /// <summary>The accuracy of the network in full precision, a fraction.</summary>
    public double FullPrecisionAccuracy { get; }

    /// <summary>The loss of the quantized network.</summary>
    public double QuantizedLoss { get; }

    /// <summary>The accuracy of the quantized network, a fraction.</summary>
    public double QuantizedAccuracy { get; }

    /// <summary>The layers, most sensitive first.</summary>
    public ImmutableArray<LayerSensitivity> Layers { get; }

    /// <summary>Makes overrides that keep the most sensitive layers at more bits.</summary>
    /// <param name="count">The number of layers, not negative; all layers if there are fewer.</param>
    /// <param name="bits">The bit width of their weights and inputs, 2 to 8; 8 by default.</param>
    /// <returns>
    /// The overrides, for <c>Overrides</c> of the options of a quantization. All networks that are to be merged need
    /// the same overrides.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="count"/> is negative, or <paramref name="bits"/> is out of range.
    /// </exception>
    public IReadOnlyList<LayerOverride> Overrides(int count, int bits = QuantizationRange.MaxBits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return
        [
            .. Layers.Take(count).Select(layer =>
                new LayerOverride(LayerOverride.Exactly(layer.Layer)) { WeightBits = bits, ActivationBits = bits }),
        ];
    }

    /// <summary>Formats the overrides as C#, to be pasted into the options of a quantization.</summary>
    /// <inheritdoc cref="Overrides" path="/param"/>
    /// <returns>An assignment to <c>Overrides</c>.</returns>
    /// <inheritdoc cref="Overrides" path="/exception"/>
    public string OverridesCode(int count, int bits = QuantizationRange.MaxBits) =>
        $"Overrides =\n[\n{string.Concat(Overrides(count, bits).Select(exception => $"    {exception},\n"))}],\n";

    /// <summary>Formats the losses and accuracies, and the layers as a Markdown table.</summary>
    /// <returns>One row for each layer. A standard error of a difference follows the sign ±.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{Images} images: loss in full precision {FullPrecisionLoss:0.0000}, quantized {QuantizedLoss:0.0000}; "
            + $"accuracy {FullPrecisionAccuracy:P2}, {QuantizedAccuracy:P2}.");
        text.AppendLine();
        text.AppendLine(
            "| layer | weights | bits | SNR, dB | loss alone | loss without | accuracy alone | accuracy without |");
        text.AppendLine("|---|---|---|---|---|---|---|---|");
        foreach (var layer in Layers)
        {
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {layer.Layer} | {layer.Weights} | W{layer.WeightBits ?? 32}A{layer.ActivationBits ?? 32} "
                + $"| {layer.SignalToNoise:0.0} | {layer.LossAlone:0.0000} ± {layer.LossAloneStandardError:0.0000} "
                + $"| {layer.LossWithout:0.0000} ± {layer.LossWithoutStandardError:0.0000} "
                + $"| {layer.AccuracyAlone:P2} | {layer.AccuracyWithout:P2} |");
        }
        return text.ToString();
    }
}

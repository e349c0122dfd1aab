using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How a network is quantized: what all methods have in common. Each method has options of its own.</summary>
/// <seealso cref="HdrqOptions"/>
/// <seealso cref="RoundToNearestOptions"/>
/// <seealso cref="AdaRoundOptions"/>
/// <seealso cref="BrecqOptions"/>
/// <seealso cref="QDropOptions"/>
public abstract record QuantizationOptions
{
    /// <summary>What the field calls rounding to nearest.</summary>
    private protected const string RoundToNearest = "RTN";

    private protected QuantizationOptions()
    {
    }

    /// <summary>Bits of the weights, 2 to 8; those of the first and the last layers have 8 in any case. 8 by default.</summary>
    public int WeightBits { get; init; } = 8;

    /// <summary>Bits of what goes into layers, 2 to 8; the last layers are given 8 in any case. 8 by default.</summary>
    public int ActivationBits { get; init; } = 8;

    /// <summary>Which values are quantized; <see cref="QuantizerPlacement.Integer"/> by default.</summary>
    public QuantizerPlacement Placement { get; init; } = QuantizerPlacement.Integer;

    /// <summary>
    /// Whether weights have a scale for each output channel, which integer hardware computes at the same speed, instead
    /// of the paper's one for the whole tensor; true by default.
    /// </summary>
    public bool PerChannel { get; init; } = true;

    /// <summary>Exceptions for layers chosen by name; none by default.</summary>
    public IReadOnlyList<LayerOverride> Overrides { get; init; } = [];

    /// <summary>
    /// What the weights may cost, in size or accuracy, from which the bits of each layer follow; null, the default, for
    /// <see cref="WeightBits"/>.
    /// </summary>
    public BitBudget? BitBudget { get; init; }

    /// <summary>How ranges are chosen on the calibration images, and where the images are kept.</summary>
    public CalibrationOptions Calibration { get; init; } = new();

    /// <summary>
    /// Whether biases are corrected after quantization by the shift of each layer's mean output, measured on the
    /// calibration images; false by default, as the paper has none. It pays where nothing is trained: rounding to nearest
    /// with few bits (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019).
    /// </summary>
    public bool CorrectBiases { get; init; }

    /// <summary>
    /// Whether the quantized network carries the Gram matrices of its layers' inputs, as a few numbers for each input, see
    /// <see cref="InputGrams"/>; true by default. With them networks are merged by RegMean, which serves their domains
    /// better than their mean does. They are second moments of the calibration images and of what layers make of them, and
    /// no image can be had back from them; where not even these may leave, set it to false. Files are larger by them
    /// (ResNet-20: by 77 kB, ResNet-50: by 0.7 MB); no merged network has them. The paper has none.
    /// </summary>
    public bool KeepInputGrams { get; init; } = true;

    /// <summary>
    /// The network that all networks to be merged descend from, of the same graph. Null, the default, where none is known:
    /// scales are then the network's own, and HDRQ's distance term is 0; in a pipeline it stands for the network that the
    /// score column names as its source. The caller keeps it.
    /// </summary>
    public Network? Source { get; init; }

    /// <summary>Told of every step, on the thread that trains; null by default.</summary>
    public IProgress<QuantizationProgress>? Progress { get; init; }

    /// <summary>How blocks are trained; null where nothing is: rounding to nearest, and 0 iterations.</summary>
    internal BlockTraining? BlockTraining => GivenTraining is { Iterations: > 0 } training ? training : null;

    /// <summary>What the field calls the method.</summary>
    internal string Method => BlockTraining is null ? RoundToNearest : TrainedMethod;

    /// <summary>The training that the options name; null for a method that has none.</summary>
    private protected abstract BlockTraining? GivenTraining { get; }

    /// <summary>What the field calls the method where blocks are trained.</summary>
    private protected abstract string TrainedMethod { get; }

    /// <summary>Checks all options, with those of the groups.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal virtual void Check()
    {
        const string bits = "from 2 to 8";
        OptionCheck.Range(nameof(WeightBits), WeightBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
        OptionCheck.Range(nameof(ActivationBits), ActivationBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
        OptionCheck.Defined(nameof(Placement), Placement, "a placement");
        OptionCheck.Given(nameof(Overrides), Overrides, "an empty list means no exceptions");
        OptionCheck.Given(nameof(Calibration), Calibration);
        Calibration.Check();
        BitBudget?.Check();
    }

    /// <summary>Checks a method's training.</summary>
    /// <inheritdoc cref="Check()" path="/exception"/>
    private protected static void Check(BlockTraining training)
    {
        OptionCheck.Given("Training", training);
        training.Check();
    }

    /// <summary>
    /// A method's options with what all methods have in the paper: quantizers where it puts them, one scale for a weight
    /// and each network's own, no Gram matrices.
    /// </summary>
    private protected static T WithPaperSettings<T>(T options) where T : QuantizationOptions => (T)(options with
    {
        Placement = QuantizerPlacement.Paper,
        PerChannel = false,
        KeepInputGrams = false,
        // The images of a training step, which are also those of a batch in which ranges are chosen.
        Calibration = new() { UseSourceScales = false, BatchSize = BlockTraining.PaperBatchSize },
    });
}

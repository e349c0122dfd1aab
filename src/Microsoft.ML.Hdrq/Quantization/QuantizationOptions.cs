using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How a network is quantized: the options shared by all methods. Each method has its own options.</summary>
/// <seealso cref="HdrqOptions"/>
/// <seealso cref="RoundToNearestOptions"/>
/// <seealso cref="AdaRoundOptions"/>
/// <seealso cref="BrecqOptions"/>
/// <seealso cref="QDropOptions"/>
public abstract record QuantizationOptions
{
    /// <summary>The common name of rounding to nearest.</summary>
    private protected const string RoundToNearest = "RTN";

    private protected QuantizationOptions()
    {
    }

    /// <summary>
    /// The bits of the weights, 2 to 8; 8 by default. The weights of the first and last layers always have 8 bits.
    /// </summary>
    public int WeightBits { get; init; } = 8;

    /// <summary>
    /// The bits of the inputs of layers, 2 to 8; 8 by default. The inputs of the last layers always have 8 bits.
    /// </summary>
    public int ActivationBits { get; init; } = 8;

    /// <summary>The values that are quantized; <see cref="QuantizerPlacement.Integer"/> by default.</summary>
    public QuantizerPlacement Placement { get; init; } = QuantizerPlacement.Integer;

    /// <summary>
    /// Whether weights have a scale for each output channel, which integer hardware computes at the same speed, instead
    /// of the paper's per-tensor scale; true by default.
    /// </summary>
    public bool PerChannel { get; init; } = true;

    /// <summary>
    /// Whether weights of 8 bits that are multiplied by activations of 8 bits have the integers -64 to 64 in place of
    /// -128 to 127; true by default. Files with them are exact on every CPU, and as fast as those with weights of 4
    /// bits: ONNX Runtime adds pairs of products within 16 bits on x86 CPUs without VNNI, and no pair of such products
    /// leaves these. With the full range, files hold unsigned weights, for which ONNX Runtime has no kernels with VNNI;
    /// see <c>OnnxSaveOptions.SignedWeights</c>. The paper has the full range. Networks that are to be merged need the
    /// same ranges.
    /// </summary>
    public bool ReduceRange { get; init; } = true;

    /// <summary>
    /// The exceptions for layers selected by name, each of which must match at least one; none by default.
    /// </summary>
    public IReadOnlyList<LayerOverride> Overrides { get; init; } = [];

    /// <summary>
    /// The budget for the weights, in size or accuracy, which determines the bits of each layer; null, the default,
    /// uses <see cref="WeightBits"/>.
    /// </summary>
    public BitBudget? BitBudget { get; init; }

    /// <summary>How ranges are chosen on the calibration images, and where the images are kept.</summary>
    public CalibrationOptions Calibration { get; init; } = new();

    /// <summary>
    /// Whether biases are corrected after quantization by the shift of each layer's mean output, measured on the
    /// calibration images; false by default, because the paper does not do this. It helps where nothing is trained:
    /// rounding to nearest with few bits (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
    /// Correction", ICCV 2019).
    /// </summary>
    public bool CorrectBiases { get; init; }

    /// <summary>
    /// Which moments of its layers' inputs on the calibration images the quantized network carries, so that it can be
    /// merged well; by default a few directions of each layer's, where there are at least 32 images. The paper has
    /// none.
    /// </summary>
    public SentMoments Moments { get; init; } = new();

    /// <summary>
    /// The network that all networks to be merged descend from, with the same graph. Null, the default, if none is
    /// known: scales are then the network's own, and HDRQ's distance term is 0. In a pipeline, null stands for the
    /// network that the score column names as its source. The caller keeps ownership.
    /// </summary>
    public Network? Source { get; init; }

    /// <summary>Receives a report after every step, on the training thread; null by default.</summary>
    public IProgress<QuantizationProgress>? Progress { get; init; }

    /// <summary>
    /// The folder in which blocks (AdaRound: layers) are kept once they are trained, created if need be; null, the
    /// default, keeps nothing. When work that was stopped, or killed, is begun again with the same network, images,
    /// options, seed, number of threads and build of this library, it goes on after them and gives the same bytes; what
    /// others have left there, or is damaged, is ignored. Steps may share a folder. It takes as much space as the
    /// network's parameters for each network, until you delete it, once the network is saved. A checkpoint that cannot
    /// be written is warned of in a pipeline, and training goes on.
    /// </summary>
    public string? CheckpointDirectory { get; init; }

    /// <summary>
    /// How blocks are trained; null if nothing is trained: for rounding to nearest, and for 0 iterations.
    /// </summary>
    internal BlockTraining? BlockTraining => GivenTraining is { Iterations: > 0 } training ? training : null;

    /// <summary>The common name of the method.</summary>
    internal string Method => BlockTraining is null ? RoundToNearest : TrainedMethod;

    /// <summary>The training in the options; null for a method without training.</summary>
    private protected abstract BlockTraining? GivenTraining { get; }

    /// <summary>The common name of the method if blocks are trained.</summary>
    private protected abstract string TrainedMethod { get; }

    /// <summary>Checks all options, including those of the groups.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal virtual void Check()
    {
        const string bits = "from 2 to 8";
        OptionCheck.Range(nameof(WeightBits), WeightBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
        OptionCheck.Range(
            nameof(ActivationBits), ActivationBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
        OptionCheck.Defined(nameof(Placement), Placement, "a placement");
        OptionCheck.Given(nameof(Overrides), Overrides, "an empty list means no exceptions");
        for (var i = 0; i < Overrides.Count; i++)
            OptionCheck.Given($"{nameof(Overrides)}[{i}]", Overrides[i]);
        OptionCheck.Given(nameof(Calibration), Calibration);
        Calibration.Check();
        OptionCheck.Given(nameof(Moments), Moments);
        Moments.Check();
        CheckpointStore.Check(CheckpointDirectory);
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
    /// Applies the options that all methods have in the paper: its quantizer placement, per-tensor weight scales from
    /// each network's own weights, the full range of 8 bits, no moments.
    /// </summary>
    private protected static T WithPaperSettings<T>(T options) where T : QuantizationOptions => (T)(options with
    {
        Placement = QuantizerPlacement.Paper,
        PerChannel = false,
        Moments = SentMoments.Nothing,
        ReduceRange = false,
        // Ranges are chosen on batches of the same size as the training steps.
        Calibration = new() { UseSourceScales = false, BatchSize = BlockTraining.PaperBatchSize },
    });
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>How a network is quantized, by whatever method. What a method does not have, it leaves alone; the settings that only some have say which.</summary>
public abstract record QuantizationOptions : NetworkRowOptions
{
    private protected QuantizationOptions()
    {
    }

    /// <summary>Bits of the weights, 2 to 8; those of the first and the last layers have 8 in any case. 8 by default.</summary>
    public int WeightBits { get; init; } = 8;

    /// <summary>Bits of what goes into layers, 2 to 8; the last layers are given 8 in any case. 8 by default.</summary>
    public int ActivationBits { get; init; } = 8;

    /// <summary>Which values are quantized; <see cref="QuantizerPlacement.Integer"/> by default.</summary>
    public QuantizerPlacement Placement { get; init; } = QuantizerPlacement.Integer;

    /// <summary>Exceptions for layers chosen by name; none by default.</summary>
    public IReadOnlyList<LayerOverride> Overrides { get; init; } = [];

    /// <summary>
    /// The most bytes that all quantized weights may take, at their bits (a weight of 3 bits counts 3/8; scales and biases do not count); null, the default, for <see cref="WeightBits"/>. Layers other than the first and last
    /// ones and those with bits of their own in <see cref="Overrides"/> are then given 2 to 8 bits each, as <see cref="Allocation"/> says. Files hold weights of 2 and 3 bits in 4, and of 5 to 7 in 8.
    /// </summary>
    public long? TargetSize { get; init; }

    /// <summary>
    /// The most that the accuracy on the calibration images may fall by quantizing, from 0 to 1; null, the default, for <see cref="WeightBits"/>. Layers are given bits as by <see cref="TargetSize"/>, with the smallest
    /// size at which no larger share of the images is given another class by the network rounded to nearest; this needs no labels, and training mostly brings the classes back. Another site's images can ask for another size:
    /// hand one site's bits on with <see cref="LayerOverride.Of"/> where networks are to be merged.
    /// </summary>
    public double? MaxAccuracyDrop { get; init; }

    /// <summary>By what <see cref="TargetSize"/> and <see cref="MaxAccuracyDrop"/> choose bits; <see cref="BitAllocationBasis.SourceWeights"/> by default, which is the same at all sites of one source.</summary>
    public BitAllocationBasis Allocation { get; init; } = BitAllocationBasis.SourceWeights;

    /// <summary>Whether weights have a scale for each output channel, which integer hardware computes at the same speed, instead of the paper's one for the whole tensor; true by default.</summary>
    public bool PerChannel { get; init; } = true;

    /// <summary>
    /// Whether scales of weights start from those that fit the source network's weights, so that all networks of one source have one grid and their integers disagree less when they are merged; true
    /// by default. The paper takes each network's own, as is done where no source is known or where the network has moved far from it.
    /// </summary>
    public bool UseSourceScales { get; init; } = true;

    /// <summary>Whether biases are trained with the weights, which the paper does not do; true by default. HDRQ only.</summary>
    public bool TrainBiases { get; init; } = true;

    /// <summary>Whether there is noise in place of rounding while a block is trained, and not rounding through which gradients pass; true by default. HDRQ only.</summary>
    public bool UseNoise { get; init; } = true;

    /// <summary>How ranges are chosen; <see cref="RangeObserverKind.Mse"/> by default.</summary>
    public RangeObserverKind Observer { get; init; } = RangeObserverKind.Mse;

    /// <summary>Steps for each block (AdaRound: for each layer), not negative; 0 rounds to nearest without training. 1,000 by default.</summary>
    public int Iterations { get; init; } = 1000;

    /// <summary>Images in a step, at least 1; 16 by default.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>The learning rate of weights and their scales, positive; 0.0002 by default. HDRQ only: rounding directions are learned at 0.001, as AdaRound's authors do.</summary>
    public double WeightLearningRate { get; init; } = 2e-4;

    /// <summary>The learning rate of the scales of activations, positive; 0.00008 by default.</summary>
    public double ActivationScaleLearningRate { get; init; } = 8e-5;

    /// <summary>Gamma, the weight of the distance to the source network, not negative; 0.05 by default. HDRQ only.</summary>
    public double DistanceWeight { get; init; } = 5e-2;

    /// <summary>
    /// Weight of the distance to the network's own weights in full precision, not negative; 0.1 by default. It bounds how far training leaves them, of which the calibration images of one domain
    /// can say little for another's; the mean of quantized networks is then near the mean of the networks. HDRQ only; the paper has none. Compare L2-SP (Li et al., ICML 2018).
    /// </summary>
    public double DriftWeight { get; init; } = 0.1;

    /// <summary>
    /// Share of the steps in which the learning rate rises and, at the end, in which there is rounding in place of noise; with AdaRound, BRECQ and QDrop, of those before rounding directions are driven to one side. 0 to 0.5; 0.2 by default.
    /// </summary>
    public double WarmUp { get; init; } = 0.2;

    /// <summary>Probability that an element is left unquantized while a block is trained, from 0, no mixing, to below 1; 0.5 by default. QDrop and HDRQ only.</summary>
    public double DropProbability { get; init; } = 0.5;

    /// <summary>
    /// Whether biases are corrected after quantization by the shift of each layer's mean output, measured on the calibration images; false by default, as the paper has none. It pays where nothing is
    /// trained: rounding to nearest with few bits (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019).
    /// </summary>
    public bool CorrectBiases { get; init; }

    /// <summary>
    /// Whether the quantized network carries the Gram matrices of its layers' inputs, as a few numbers for each input, see <see cref="InputGrams"/>; true by default. With them networks are merged by
    /// <see cref="Merging.MergeMethod.RegMean"/>, which serves their domains better than their mean does. They are second moments of the calibration images and of what layers make of them, and no image can be had back from
    /// them; where not even these may leave, set it to false. Files are larger by them (ResNet-20: by 77 kB, ResNet-50: by 0.7 MB); no merged network has them. The paper has none.
    /// </summary>
    public bool KeepInputGrams { get; init; } = true;

    /// <summary>The most rows that are used, drawn at random from those of the domain, at least 1; 256 by default.</summary>
    public int CalibrationImages { get; init; } = 256;

    /// <summary>
    /// Whether calibration images and what blocks make of them stay in the memory of the device that computes, which is faster on a GPU, instead of host memory; false by default.
    /// </summary>
    public bool KeepCalibrationOnDevice { get; init; }

    /// <summary>
    /// Side of the square that is cut at random out of each image that is used, in pixels, at least 1; where an image is lower or narrower, all of it is taken. Null, the default, for whole images.
    /// The network must take images of any size.
    /// </summary>
    public int? CropSize { get; init; }

    /// <summary>
    /// The most bytes of what blocks make of the calibration images that are in memory at a time, that of the device where <see cref="KeepCalibrationOnDevice"/> is set, not negative; more is kept in
    /// temporary files, slower and with the same results. 2 GB (2^31 bytes) by default.
    /// </summary>
    public long CacheMemory { get; init; } = 2L << 30;

    /// <summary>The folder of the temporary files, which has to exist; null, the default, for the system's.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>
    /// The network that all networks to be merged descend from; null, the default, for the one that the score column names. The caller keeps it.
    /// </summary>
    public Network? Source { get; init; }

    /// <summary>Told of every step, on the thread that trains; null by default.</summary>
    public IProgress<QuantizationProgress>? Progress { get; init; }

    /// <summary>The method.</summary>
    private protected abstract QuantizationMethod UsedMethod { get; }

    /// <summary>The same options with the settings of the paper: quantizers where it puts them, one scale for a weight and each network's own, fixed biases, no Gram matrices, 20,000 steps a block.</summary>
    private protected QuantizationOptions WithPaperSettings() => this with
    {
        Placement = QuantizerPlacement.Paper,
        PerChannel = false,
        UseSourceScales = false,
        TrainBiases = false,
        DriftWeight = 0,
        KeepInputGrams = false,
        Iterations = 20_000,
        BatchSize = 32,
        WeightLearningRate = 1e-4,
        ActivationScaleLearningRate = 4e-5,
    };

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal override void Check()
    {
        base.Check();
        const string bits = "from 2 to 8";
        TrainingHost.CheckRange(nameof(WeightBits), WeightBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
        TrainingHost.CheckRange(nameof(ActivationBits), ActivationBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
        TrainingHost.CheckRange(nameof(TargetSize), TargetSize ?? 1, 1, long.MaxValue / 8, "null or at least 1");
        TrainingHost.CheckRange(nameof(MaxAccuracyDrop), MaxAccuracyDrop ?? 0, 0, 1, "null or from 0 to 1");
        if (TargetSize is not null && MaxAccuracyDrop is not null)
            throw Errors.Option(nameof(MaxAccuracyDrop), MaxAccuracyDrop, $"{nameof(MaxAccuracyDrop)} and {nameof(TargetSize)} are both given; the bits follow from one of them.");
        TrainingHost.CheckRange(nameof(Iterations), Iterations, 0, int.MaxValue, "not negative");
        TrainingHost.CheckRange(nameof(BatchSize), BatchSize, 1, int.MaxValue, "at least 1");
        TrainingHost.CheckRange(nameof(WeightLearningRate), WeightLearningRate, double.Epsilon, double.MaxValue, "positive");
        TrainingHost.CheckRange(nameof(ActivationScaleLearningRate), ActivationScaleLearningRate, double.Epsilon, double.MaxValue, "positive");
        TrainingHost.CheckRange(nameof(DistanceWeight), DistanceWeight, 0, double.MaxValue, "not negative");
        TrainingHost.CheckRange(nameof(DriftWeight), DriftWeight, 0, double.MaxValue, "not negative");
        TrainingHost.CheckRange(nameof(WarmUp), WarmUp, 0, 0.5, "from 0 to 0.5");
        TrainingHost.CheckRange(nameof(DropProbability), DropProbability, 0, Math.BitDecrement(1.0), "from 0 to below 1");
        TrainingHost.CheckRange(nameof(CalibrationImages), CalibrationImages, 1, int.MaxValue, "at least 1");
        TrainingHost.CheckRange(nameof(CropSize), CropSize ?? 1, 1, int.MaxValue, "null or at least 1");
        TrainingHost.CheckRange(nameof(CacheMemory), CacheMemory, 0, long.MaxValue, "not negative");
        if (CacheDirectory is not null && !Directory.Exists(CacheDirectory))
            throw Errors.Option(nameof(CacheDirectory), CacheDirectory, $"{nameof(CacheDirectory)} is '{CacheDirectory}', which is not a folder.");
        if (!Enum.IsDefined(UsedMethod))
            throw Errors.Option("Method", UsedMethod, $"Method is {UsedMethod}, which is not a method.");
        if (!Enum.IsDefined(Placement))
            throw Errors.Option(nameof(Placement), Placement, $"{nameof(Placement)} is {Placement}, which is not a placement.");
        if (!Enum.IsDefined(Allocation))
            throw Errors.Option(nameof(Allocation), Allocation, $"{nameof(Allocation)} is {Allocation}, which is not a basis.");
        if (!Enum.IsDefined(Observer))
            throw Errors.Option(nameof(Observer), Observer, $"{nameof(Observer)} is {Observer}, which is not an observer.");
        if (Overrides is null)
            throw Errors.Option(nameof(Overrides), null, $"{nameof(Overrides)} is missing; an empty list means no exceptions.");
    }

    internal QuantizationSettings ToSettings()
    {
        Func<RangeObserver> observer = Observer switch
        {
            RangeObserverKind.AverageMse => () => new AverageMseObserver(),
            RangeObserverKind.MinMax => () => new MinMaxObserver(),
            RangeObserverKind.Percentile => () => new PercentileObserver(99.99),
            _ => () => new MseObserver(),
        };
        return new()
        {
            WeightBits = WeightBits,
            ActivationBits = ActivationBits,
            Placement = Placement,
            Overrides = Overrides,
            UseSourceScales = UseSourceScales,
            KeepInputGrams = KeepInputGrams,
            CorrectBiases = CorrectBiases,
            Calibration = new() { CreateActivationObserver = observer, CreateWeightObserver = observer, PerChannel = PerChannel, BatchSize = BatchSize },
            Reconstruction = Iterations == 0 || UsedMethod == QuantizationMethod.RoundToNearest ? null : new()
            {
                Weights = UsedMethod != QuantizationMethod.Hdrq ? WeightTraining.Adaptive : UseNoise ? WeightTraining.Noise : WeightTraining.Nearest,
                IsLayerByLayer = UsedMethod == QuantizationMethod.AdaRound,
                Iterations = Iterations,
                BatchSize = BatchSize,
                CacheMemory = CacheMemory,
                CacheDirectory = CacheDirectory ?? Path.GetTempPath(),
                WeightLearningRate = WeightLearningRate,
                ActivationScaleLearningRate = ActivationScaleLearningRate,
                DistanceWeight = DistanceWeight,
                WarmUp = WarmUp,
                TrainBiases = TrainBiases,
                DriftWeight = DriftWeight,
                DropProbability = UsedMethod is QuantizationMethod.QDrop or QuantizationMethod.Hdrq ? DropProbability : 0,
            },
        };
    }
}

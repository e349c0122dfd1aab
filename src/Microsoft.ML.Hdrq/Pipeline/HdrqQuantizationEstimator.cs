using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Quantizes a network on the unlabelled images of a domain so that it can be merged with others: HDRQ (Shin, Seok, Kim, Park, "Merge-Friendly Post-Training
/// Quantization for Multi-Target Domain Adaptation", ICML 2025, arXiv 2505.23651).
/// </summary>
/// <remarks>
/// Starts from the score column of another step and reads that step's input column. Blocks of the network are trained one after the other to give, quantized, what they give in
/// full precision: with noise in place of rounding until the last steps, which flattens the loss, and with a term for the distance to the source network, which keeps all
/// quantized networks near each other. The result, a <see cref="NetworkTransformer"/>, scores with integer kernels on a CPU if all of it
/// computes on integers, and else in simulation: in floating point, on the grid of the integers; see <see cref="ScoringEngineKind"/>. Create it with
/// <see cref="HdrqCatalog.QuantizeHdrq(TransformsCatalog, string, string, Options)"/>.
/// </remarks>
public sealed class HdrqQuantizationEstimator : IEstimator<NetworkTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;
    private readonly Options _options;

    internal HdrqQuantizationEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName, Options options)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _environment = environment;
        _outputColumnName = outputColumnName;
        _inputColumnName = inputColumnName;
        _options = options;
    }

    /// <summary>Quantizes a copy of the network.</summary>
    /// <param name="input">Data with the score column of the network, its input column, and the domain column.</param>
    /// <returns>The transformer; it owns the quantized network: dispose it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type.</exception>
    /// <exception cref="ArgumentException">The source network is not of the network's graph; the message names the first difference.</exception>
    /// <exception cref="InvalidOperationException">There are no rows of the domain, a row has values that are not numbers, or the GPU is not there.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing was changed.</exception>
    public NetworkTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var host = _environment.Register("QuantizeHdrq");
        using var channel = host.Start("Fit");
        var annotation = TrainingHost.Network(input.Schema, _inputColumnName);
        var shape = InputColumn.RowShape(annotation.Network.Graph.Inputs[0], InputColumn.Find(input.Schema, annotation.InputColumnName));
        var device = CatalogEnvironment.Device(_environment, _options.GpuDeviceId, _options.FallbackToCpu);
        var source = _options.Source ?? (ReferenceEquals(annotation.Source, annotation.Network) ? null : annotation.Source);
        if (source is null && _options.DistanceWeight > 0 && _options.Iterations > 0)
            channel.Warning(MessageSensitivity.Schema, "Column '{0}': no source network is known, so the distance term is 0. Start from AdaptNetwork, or set {1}.", _outputColumnName, nameof(Options.Source));
        var seed = TrainingHost.Seed(host, _options.Seed);
        using var rows = DomainRows.Read(input, annotation.InputColumnName, shape, label: null, _options.DomainColumnName, _options.Domain, (_options.CalibrationImages, seed), _options.CancellationToken);
        channel.Info(MessageSensitivity.Schema, "Column '{0}': quantizing the network of '{1}' to W{2}A{3} on {4} images{5}, {6} steps a block, on {7}.",
            _outputColumnName, _inputColumnName, _options.WeightBits, _options.ActivationBits, rows.Images.shape[0], _options.Domain is null ? "" : $" of '{_options.Domain}'", _options.Iterations, device);
        using var network = annotation.Network.To(device);
        using var images = _options.KeepCalibrationOnDevice ? rows.Images.to(device) : rows.Images.alias();
        var quantized = NetworkQuantizer.Quantize(network, source, images, _options.ToSettings(), seed, _options.Progress, _options.CancellationToken);
        return new NetworkTransformer(quantized, annotation.Source, _outputColumnName, annotation.InputColumnName, annotation.Settings, input.Schema);
    }

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>The input's columns with the score column and the predicted label or mask.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The score column to start from is missing.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return SchemaShapes.AddScoresLike(inputSchema, _outputColumnName, _inputColumnName);
    }

    /// <summary>How a network is quantized.</summary>
    public sealed record Options
    {
        /// <summary>
        /// The settings of the paper and its public code: quantizers where they put them, one scale for a weight and each network's own, fixed biases, 20,000 steps a block.
        /// Use it as <c>HdrqQuantizationEstimator.Options.Paper with { WeightBits = 4, ActivationBits = 4 }</c>.
        /// </summary>
        public static Options Paper { get; } = new()
        {
            Placement = QuantizerPlacement.Paper,
            PerChannel = false,
            UseSourceScales = false,
            TrainBiases = false,
            DriftWeight = 0,
            Iterations = 20_000,
            BatchSize = 32,
            WeightLearningRate = 1e-4,
            ActivationScaleLearningRate = 4e-5,
        };

        /// <summary>Bits of the weights, 2 to 8; those of the first and the last layers have 8 in any case. 8 by default.</summary>
        public int WeightBits { get; init; } = 8;

        /// <summary>Bits of what goes into layers, 2 to 8; the last layers are given 8 in any case. 8 by default.</summary>
        public int ActivationBits { get; init; } = 8;

        /// <summary>Which values are quantized; <see cref="QuantizerPlacement.Integer"/> by default.</summary>
        public QuantizerPlacement Placement { get; init; } = QuantizerPlacement.Integer;

        /// <summary>Exceptions for layers chosen by name; none by default.</summary>
        public IReadOnlyList<LayerOverride> Overrides { get; init; } = [];

        /// <summary>Whether weights have a scale for each output channel, which integer hardware computes at the same speed, instead of the paper's one for the whole tensor; true by default.</summary>
        public bool PerChannel { get; init; } = true;

        /// <summary>
        /// Whether scales of weights start from those that fit the source network's weights, so that all networks of one source have one grid and their integers disagree less when they are merged; true
        /// by default. The paper takes each network's own, as is done where no source is known or where the network has moved far from it.
        /// </summary>
        public bool UseSourceScales { get; init; } = true;

        /// <summary>Whether biases are trained with the weights, which the paper does not do; true by default.</summary>
        public bool TrainBiases { get; init; } = true;

        /// <summary>How ranges are chosen; <see cref="RangeObserverKind.Mse"/> by default.</summary>
        public RangeObserverKind Observer { get; init; } = RangeObserverKind.Mse;

        /// <summary>Steps for each block, not negative; 0 rounds to nearest without training. 1,000 by default.</summary>
        public int Iterations { get; init; } = 1000;

        /// <summary>Images in a step, at least 1; 16 by default.</summary>
        public int BatchSize { get; init; } = 16;

        /// <summary>The learning rate of weights and their scales, positive; 0.0002 by default.</summary>
        public double WeightLearningRate { get; init; } = 2e-4;

        /// <summary>The learning rate of the scales of activations, positive; 0.00008 by default.</summary>
        public double ActivationScaleLearningRate { get; init; } = 8e-5;

        /// <summary>Gamma, the weight of the distance to the source network, not negative; 0.05 by default.</summary>
        public double DistanceWeight { get; init; } = 5e-2;

        /// <summary>
        /// Weight of the distance to the network's own weights in full precision, not negative; 0.1 by default. It bounds how far training leaves them, of which the calibration images of one domain
        /// can say little for another's; the mean of quantized networks is then near the mean of the networks. The paper has none. Compare L2-SP (Li et al., ICML 2018).
        /// </summary>
        public double DriftWeight { get; init; } = 0.1;

        /// <summary>
        /// Share of the steps in which the learning rate rises and, at the end, in which there is rounding in place of noise; 0 to 0.5. 0.2 by default.
        /// </summary>
        public double WarmUp { get; init; } = 0.2;

        /// <summary>Probability that an element is left unquantized while a block is trained, from 0 to below 1; 0.5 by default.</summary>
        public double DropProbability { get; init; } = 0.5;

        /// <summary>The most rows that are used, drawn at random from those of the domain, at least 1; 256 by default.</summary>
        public int CalibrationImages { get; init; } = 256;

        /// <summary>
        /// Whether calibration images and what blocks make of them stay in the memory of the device that computes, which is faster on a GPU, instead of host memory; false by default.
        /// </summary>
        public bool KeepCalibrationOnDevice { get; init; }

        /// <summary>
        /// The network that all networks to be merged descend from; null, the default, for the one that the score column names. The caller keeps it.
        /// </summary>
        public Network? Source { get; init; }

        /// <summary>The column that says which domain a row is of, text or a key with text values; null, the default, to use all rows.</summary>
        public string? DomainColumnName { get; init; }

        /// <summary>The domain whose rows are used; null together with <see cref="DomainColumnName"/>.</summary>
        public string? Domain { get; init; }

        /// <summary>The seed of order, noise and mixing; null, the default, for one that follows from the context's.</summary>
        public int? Seed { get; init; }

        /// <summary>Told of every step, on the thread that trains; null by default.</summary>
        public IProgress<QuantizationProgress>? Progress { get; init; }

        /// <summary>Ends quantization between two steps.</summary>
        public CancellationToken CancellationToken { get; init; }

        /// <summary>The GPU to train on; null, the default, for what <see cref="MLContext.GpuDeviceId"/> says.</summary>
        public int? GpuDeviceId { get; init; }

        /// <summary>Whether the CPU takes the place of a GPU that is not there; null, the default, for what <see cref="MLContext.FallbackToCpu"/> says.</summary>
        public bool? FallbackToCpu { get; init; }

        /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
        internal void Check()
        {
            const string bits = "from 2 to 8";
            TrainingHost.CheckDomain(DomainColumnName, Domain);
            TrainingHost.CheckRange(nameof(WeightBits), WeightBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
            TrainingHost.CheckRange(nameof(ActivationBits), ActivationBits, QuantizationRange.MinBits, QuantizationRange.MaxBits, bits);
            TrainingHost.CheckRange(nameof(Iterations), Iterations, 0, int.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(BatchSize), BatchSize, 1, int.MaxValue, "at least 1");
            TrainingHost.CheckRange(nameof(WeightLearningRate), WeightLearningRate, double.Epsilon, double.MaxValue, "positive");
            TrainingHost.CheckRange(nameof(ActivationScaleLearningRate), ActivationScaleLearningRate, double.Epsilon, double.MaxValue, "positive");
            TrainingHost.CheckRange(nameof(DistanceWeight), DistanceWeight, 0, double.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(DriftWeight), DriftWeight, 0, double.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(WarmUp), WarmUp, 0, 0.5, "from 0 to 0.5");
            TrainingHost.CheckRange(nameof(DropProbability), DropProbability, 0, Math.BitDecrement(1.0), "from 0 to below 1");
            TrainingHost.CheckRange(nameof(CalibrationImages), CalibrationImages, 1, int.MaxValue, "at least 1");
            TrainingHost.CheckRange(nameof(GpuDeviceId), GpuDeviceId ?? 0, 0, int.MaxValue, "null or not negative");
            if (!Enum.IsDefined(Placement))
                throw Errors.Option(nameof(Placement), Placement, $"{nameof(Placement)} is {Placement}, which is not a placement.");
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
                Calibration = new() { CreateActivationObserver = observer, CreateWeightObserver = observer, PerChannel = PerChannel, BatchSize = BatchSize },
                Reconstruction = Iterations == 0 ? null : new()
                {
                    Iterations = Iterations,
                    BatchSize = BatchSize,
                    WeightLearningRate = WeightLearningRate,
                    ActivationScaleLearningRate = ActivationScaleLearningRate,
                    DistanceWeight = DistanceWeight,
                    WarmUp = WarmUp,
                    TrainBiases = TrainBiases,
                    DriftWeight = DriftWeight,
                    DropProbability = DropProbability,
                },
            };
        }
    }
}

using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Adapts a network to a domain: fine-tunes all its weights on the domain's labelled rows, with cross-entropy, for each image or, where the network classifies pixels, for each pixel.</summary>
/// <remarks>
/// Starts from the score column of another step and reads that step's input column. Training images are kept in memory. The result, a
/// <see cref="NetworkTransformer"/>, remembers the network that the first step applied as its source. Create it with
/// <see cref="HdrqCatalog.AdaptNetwork(TransformsCatalog, string, string, Options)"/>.
/// </remarks>
public sealed class NetworkAdaptationEstimator : IEstimator<NetworkTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;
    private readonly Options _options;

    internal NetworkAdaptationEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName, Options options)
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

    /// <summary>Trains a copy of the network.</summary>
    /// <param name="input">Data with the score column to start from, its network's input column, and the label and domain columns.</param>
    /// <returns>The transformer; it owns the trained network: dispose it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type, or the network does not have as many classes as the label.</exception>
    /// <exception cref="InvalidOperationException">There are no rows of the domain, a row has values that are not numbers, the GPU is not there, or the loss grew beyond all numbers.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing was changed.</exception>
    public NetworkTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var host = _environment.Register("AdaptNetwork");
        using var channel = host.Start("Fit");
        var annotation = TrainingHost.Network(input.Schema, _inputColumnName);
        var shape = InputColumn.RowShape(annotation.Network.Graph.Inputs[0], InputColumn.Find(input.Schema, annotation.InputColumnName));
        var device = CatalogEnvironment.Device(_environment, _options.GpuDeviceId, _options.FallbackToCpu);
        var isSegmenter = Prediction.KindOf(annotation.Network, annotation.Settings) == PredictionKind.Mask;
        if (isSegmenter && shape.Length != 3)
            throw Errors.SchemaMismatch(annotation.InputColumnName, "images of channels, height and width, as the masks have height and width", input.Schema[annotation.InputColumnName].Type);
        TrainingHost.CheckCrop(annotation.Network, shape, _options.CropSize);
        var label = new LabelColumn(_options.LabelColumnName, isSegmenter ? shape[1..] : null, _options.IgnoredLabel);
        using var rows = DomainRows.Read(input, annotation.InputColumnName, shape, label, _options.DomainColumnName, _options.Domain, sample: null, _options.CancellationToken);
        CheckClasses(annotation, rows.Labels!, isSegmenter, input.Schema[_options.LabelColumnName].Type);
        channel.Info(MessageSensitivity.Schema, "Column '{0}': adapting the network of '{1}' to {2} rows{3}, {4} epochs, on {5}.", _outputColumnName, _inputColumnName, rows.Images.shape[0], _options.Domain is null ? "" : $" of '{_options.Domain}'", _options.Epochs, device);
        using var initial = annotation.Network.To(device);
        var trained = FineTuning.Train(initial, rows.Images, rows.Labels!, _options.ToSettings(), TrainingHost.Seed(host, _options.Seed), _options.Progress, _options.CancellationToken);
        if (_options.KeepInputGrams)
            InputGrams.Collect(trained, rows.Images, _options.BatchSize, _options.CancellationToken);
        return new NetworkTransformer(trained, annotation.Source, _outputColumnName, annotation.InputColumnName, annotation.Settings, input.Schema);
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

    private void CheckClasses(NetworkAnnotation annotation, torch.Tensor labels, bool isSegmenter, DataViewType type)
    {
        if (annotation.Network.Graph.Outputs[0].Shape is not [_, > 0 and var classes, ..])
            return;
        using var scope = torch.NewDisposeScope();
        var last = isSegmenter ? labels[labels.ne(Scalars.Keep(_options.IgnoredLabel))].max().to(torch.ScalarType.Int64) : labels.max();
        if (last.item<long>() >= classes)
            throw Errors.SchemaMismatch(_options.LabelColumnName, $"{(isSegmenter ? "masks" : "Key")} of at most the network's {classes} classes", isSegmenter ? $"a mask of class {last.item<long>()}" : type);
        if (_options.ClassWeights is { } weights && weights.Count != classes)
            throw Errors.Option(nameof(Options.ClassWeights), weights.Count, $"{nameof(Options.ClassWeights)} has {weights.Count} weights, and the network has {classes} classes.");
    }

    /// <summary>How a network is adapted. The defaults are those for a network that has been trained well on images of another domain.</summary>
    public sealed class Options
    {
        /// <summary>
        /// The column of the classes, a key or, for a network that classifies pixels, masks of the images' height and width, <c>Vector&lt;Byte, height, width&gt;</c>, such as <c>LoadMasks</c> gives;
        /// <c>Label</c> by default. Rows without a label are passed over.
        /// </summary>
        public string LabelColumnName { get; init; } = "Label";

        /// <summary>The value of a mask's pixels that have no class: they have no part in training; <see cref="MaskLoadingEstimator.Ignored"/>, 255, by default.</summary>
        public byte IgnoredLabel { get; init; } = MaskLoadingEstimator.Ignored;

        /// <summary>
        /// How much each class counts, in the order of the scores, all positive: the mean of the cross-entropy becomes one weighted by the pixels' or images' classes. Null, the default, for all alike.
        /// </summary>
        public IReadOnlyList<float>? ClassWeights { get; init; }

        /// <summary>The column that says which domain a row is of, text or a key with text values; null, the default, to use all rows.</summary>
        public string? DomainColumnName { get; init; }

        /// <summary>The domain whose rows are used; null together with <see cref="DomainColumnName"/>.</summary>
        public string? Domain { get; init; }

        /// <summary>Passes over the rows, at least 1; 6 by default.</summary>
        public int Epochs { get; init; } = 6;

        /// <summary>Rows in a step, at least 1; 64 by default.</summary>
        public int BatchSize { get; init; } = 64;

        /// <summary>The rule by which weights change; <see cref="FineTuningOptimizer.Sgd"/> by default.</summary>
        public FineTuningOptimizer Optimizer { get; init; } = FineTuningOptimizer.Sgd;

        /// <summary>The learning rate at the start, positive; it falls to 0 along a cosine. 0.001 by default.</summary>
        public double LearningRate { get; init; } = 1e-3;

        /// <summary>The momentum of <see cref="FineTuningOptimizer.Sgd"/>, from 0 to below 1; 0.9 by default.</summary>
        public double Momentum { get; init; } = 0.9;

        /// <summary>The weight decay, not negative; 0.0001 by default.</summary>
        public double WeightDecay { get; init; } = 1e-4;

        /// <summary>
        /// Whether batch normalization uses the statistics of the batch and updates the running ones, as a network that is trained from the beginning needs. False, the default,
        /// keeps the statistics.
        /// </summary>
        public bool UpdateStatistics { get; init; }

        /// <summary>Pixels by which an image, with its mask, is shifted at random, at most, in each direction, not negative; what comes in is mirrored. 2 by default.</summary>
        public int CropPadding { get; init; } = 2;

        /// <summary>
        /// Side of the square that is cut out of an image and its mask at random for every step, in pixels, at least 1; where an image is lower or narrower, all of it is taken. Null, the default, for whole
        /// images. The network must take images of any size.
        /// </summary>
        public int? CropSize { get; init; }

        /// <summary>Whether half of the images, with their masks, are mirrored, left and right exchanged; true by default. Not for text and signs.</summary>
        public bool HorizontalFlip { get; init; } = true;

        /// <summary>
        /// Whether the adapted network carries the Gram matrices of its layers' inputs, which <see cref="Merging.MergeMethod.RegMean"/> asks for, see <see cref="InputGrams"/>; false by default.
        /// </summary>
        public bool KeepInputGrams { get; init; }

        /// <summary>The seed of order and augmentation; null, the default, for one that follows from the context's.</summary>
        public int? Seed { get; init; }

        /// <summary>Told of every step, on the thread that trains; null by default.</summary>
        public IProgress<FineTuningProgress>? Progress { get; init; }

        /// <summary>Ends training between two steps.</summary>
        public CancellationToken CancellationToken { get; init; }

        /// <summary>The GPU to train on; null, the default, for what <see cref="MLContext.GpuDeviceId"/> says.</summary>
        public int? GpuDeviceId { get; init; }

        /// <summary>Whether the CPU takes the place of a GPU that is not there; null, the default, for what <see cref="MLContext.FallbackToCpu"/> says.</summary>
        public bool? FallbackToCpu { get; init; }

        /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
        internal void Check()
        {
            if (string.IsNullOrEmpty(LabelColumnName))
                throw Errors.Option(nameof(LabelColumnName), LabelColumnName, $"{nameof(LabelColumnName)} is missing.");
            TrainingHost.CheckDomain(DomainColumnName, Domain);
            TrainingHost.CheckRange(nameof(Epochs), Epochs, 1, int.MaxValue, "at least 1");
            TrainingHost.CheckRange(nameof(BatchSize), BatchSize, 1, int.MaxValue, "at least 1");
            TrainingHost.CheckRange(nameof(LearningRate), LearningRate, double.Epsilon, double.MaxValue, "positive");
            TrainingHost.CheckRange(nameof(Momentum), Momentum, 0, Math.BitDecrement(1.0), "from 0 to below 1");
            TrainingHost.CheckRange(nameof(WeightDecay), WeightDecay, 0, double.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(CropPadding), CropPadding, 0, int.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(CropSize), CropSize ?? 1, 1, int.MaxValue, "null or at least 1");
            foreach (var weight in ClassWeights ?? [])
                TrainingHost.CheckRange(nameof(ClassWeights), weight, float.Epsilon, float.MaxValue, "positive for every class");
            TrainingHost.CheckRange(nameof(GpuDeviceId), GpuDeviceId ?? 0, 0, int.MaxValue, "null or not negative");
            if (!Enum.IsDefined(Optimizer))
                throw Errors.Option(nameof(Optimizer), Optimizer, $"{nameof(Optimizer)} is {Optimizer}, which is not an optimizer.");
        }

        internal FineTuningSettings ToSettings() => new()
        {
            Epochs = Epochs,
            BatchSize = BatchSize,
            Optimizer = Optimizer,
            LearningRate = LearningRate,
            Momentum = Momentum,
            WeightDecay = WeightDecay,
            UpdateStatistics = UpdateStatistics,
            IgnoredLabel = IgnoredLabel,
            ClassWeights = ClassWeights is null ? [] : [.. ClassWeights],
            CropPadding = CropPadding,
            CropSize = CropSize,
            HorizontalFlip = HorizontalFlip,
        };
    }
}

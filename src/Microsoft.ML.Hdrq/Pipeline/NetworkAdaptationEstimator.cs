using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Adapts a network to a domain: fine-tunes all its weights on the domain's labelled rows, with cross-entropy, for each image or, where the network classifies pixels, for each pixel.</summary>
/// <remarks>Training images are kept in memory. Create it with <see cref="HdrqCatalog.AdaptNetwork(TransformsCatalog, string, string, Options)"/>.</remarks>
public sealed class NetworkAdaptationEstimator : NetworkTrainingEstimator
{
    private readonly Options _options;

    internal NetworkAdaptationEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName, Options options)
        : base(environment, "AdaptNetwork", outputColumnName, inputColumnName, options) => _options = options;

    private protected override Network Train(Start start)
    {
        var annotation = start.Annotation;
        var input = start.Data.Schema;
        var isSegmenter = Prediction.KindOf(annotation.Network, annotation.Settings) == PredictionKind.Mask;
        if (isSegmenter && start.RowShape.Length != 3)
            throw Errors.SchemaMismatch(annotation.InputColumnName, "images of channels, height and width, as the masks have height and width", input[annotation.InputColumnName].Type);
        TrainingHost.CheckCrop(annotation.Network, start.RowShape, _options.CropSize);
        using var rows = start.Read(_options, new LabelColumn(_options.LabelColumnName, isSegmenter ? start.RowShape[1..] : null, _options.IgnoredLabel), sample: null);
        CheckClasses(annotation, rows.Labels!, isSegmenter, input[_options.LabelColumnName].Type);
        start.Channel.Info(MessageSensitivity.Schema, "Column '{0}': adapting the network of '{1}' to {2} rows{3}, {4} epochs, on {5}.",
            start.OutputColumnName, start.InputColumnName, rows.Images.shape[0], Start.Of(_options), _options.Epochs, start.Device);
        using var initial = annotation.Network.To(start.Device);
        var trained = FineTuning.Train(initial, rows.Images, rows.Labels!, _options.ToSettings(), TrainingHost.Seed(start.Host, _options.Seed), _options.Progress, _options.CancellationToken);
        trained.Metadata = InputGrams.Without(trained.Metadata);
        if (_options.KeepInputGrams)
            InputGrams.Collect(trained, rows.Images, _options.BatchSize, _options.CancellationToken);
        return trained;
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
    public sealed record Options : NetworkRowOptions
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
        /// Whether the adapted network carries the Gram matrices of its layers' inputs, as a few numbers for each input, so that networks that are merged in full precision are merged by
        /// <see cref="Merging.MergeMethod.RegMean"/>, see <see cref="InputGrams"/>; true by default.
        /// </summary>
        public bool KeepInputGrams { get; init; } = true;

        /// <summary>Told of every step, on the thread that trains; null by default.</summary>
        public IProgress<FineTuningProgress>? Progress { get; init; }

        /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
        internal override void Check()
        {
            base.Check();
            if (string.IsNullOrEmpty(LabelColumnName))
                throw Errors.Option(nameof(LabelColumnName), LabelColumnName, $"{nameof(LabelColumnName)} is missing.");
            TrainingHost.CheckRange(nameof(Epochs), Epochs, 1, int.MaxValue, "at least 1");
            TrainingHost.CheckRange(nameof(BatchSize), BatchSize, 1, int.MaxValue, "at least 1");
            TrainingHost.CheckRange(nameof(LearningRate), LearningRate, double.Epsilon, double.MaxValue, "positive");
            TrainingHost.CheckRange(nameof(Momentum), Momentum, 0, Math.BitDecrement(1.0), "from 0 to below 1");
            TrainingHost.CheckRange(nameof(WeightDecay), WeightDecay, 0, double.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(CropPadding), CropPadding, 0, int.MaxValue, "not negative");
            TrainingHost.CheckRange(nameof(CropSize), CropSize ?? 1, 1, int.MaxValue, "null or at least 1");
            foreach (var weight in ClassWeights ?? [])
                TrainingHost.CheckRange(nameof(ClassWeights), weight, float.Epsilon, float.MaxValue, "positive for every class");
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

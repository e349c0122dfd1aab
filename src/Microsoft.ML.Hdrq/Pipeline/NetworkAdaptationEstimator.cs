using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Adapts a network to a domain: fine-tunes all its weights on the domain's labelled rows, with the cross-entropy of
/// each image or, if the network classifies pixels, of each pixel; or by a method that needs no labels
/// (<see cref="AdaptationOptions.Method"/>).
/// </summary>
/// <remarks>
/// Methods without labels read no label column. Whether they have helped is told by scores without labels, which are
/// logged and travel with the network (<see cref="AdaptationReport"/>); where they say that it did harm, the result is
/// the network that the step started from, and a warning says so. Training images are kept in memory. Create it with
/// <see cref="HdrqCatalog.AdaptNetwork(TransformsCatalog, string, string, AdaptationOptions, RowOptions)"/>.
/// </remarks>
public sealed class NetworkAdaptationEstimator : NetworkTrainingEstimator
{
    private readonly AdaptationOptions _options;

    internal NetworkAdaptationEstimator(
        IHostEnvironment environment, string outputColumnName, string inputColumnName, AdaptationOptions options,
        RowOptions rows)
        : base(environment, "AdaptNetwork", outputColumnName, inputColumnName, rows,
            readsLabels: options is null or { Method: AdaptationMethod.Labels })
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _options = options;
    }

    private protected override Network Train(Start start) =>
        _options.Method == AdaptationMethod.Labels ? TrainOnLabels(start) : TrainWithoutLabels(start);

    private Network TrainOnLabels(Start start)
    {
        var annotation = start.Annotation;
        var input = start.Data.Schema;
        using var headed = WithHead(start);
        var initial = headed ?? annotation.Network;
        var isSegmenter = Prediction.KindOf(initial) == PredictionKind.Mask;
        if (isSegmenter && start.RowShape.Length != 3)
        {
            throw Errors.SchemaMismatch(
                annotation.InputColumnName,
                "images of channels, height and width, as the masks have height and width",
                input[annotation.InputColumnName].Type);
        }
        TrainingHost.CheckCrop(initial, start.RowShape, _options.CropSize);
        var label = TrainingHost.Label(
            input, Rows, start.InputColumnName, isSegmenter ? start.RowShape[1..] : null,
            initial.ClassNames);
        FiniteCheck.Parameters(initial);
        using var rows = start.Read(label, defaultRows: null);
        if (isSegmenter)
            CheckMasks(rows.Labels!);
        CheckClasses(initial, rows.Labels!, isSegmenter, input[Rows.LabelColumnName].Type);
        CheckMoments(initial.Graph, rows.Images.shape[0], start);
        start.Channel.Info(MessageSensitivity.Schema,
            "Column '{0}': adapting the network of '{1}' to {2} rows{3}, {4} epochs, on {5}.",
            start.OutputColumnName, start.InputColumnName, rows.Images.shape[0], start.OfDomain, _options.Epochs,
            start.Device);
        if (Logits.AreHidden(initial.Graph))
        {
            start.Channel.Info(MessageSensitivity.Schema,
                "Column '{0}': the network of '{1}' gives probabilities; it is trained on the scores before them.",
                start.OutputColumnName, start.InputColumnName);
        }
        using var placed = initial.To(start.Device);
        var trained = FineTuning.Train(
            placed, rows.Images, rows.Labels!, _options, Rows.IgnoredLabel, start.Seed, Rows.CancellationToken,
            warning => start.Channel.Warning(
                MessageSensitivity.Schema, "Column '{0}': {1}", start.OutputColumnName, warning),
            (validation, epoch) => start.Channel.Info(MessageSensitivity.Schema,
                "Column '{0}': accuracy {1:0.0000} on {2:0.##} of the rows after epoch {3} of {4}; best so far: "
                + "{5:0.0000} after epoch {6}.",
                start.OutputColumnName, validation.Accuracy, _options.ValidationFraction, epoch, _options.Epochs,
                validation.BestAccuracy, validation.BestEpoch));
        trained.Metadata = initial.Metadata.With(
            (NetworkMetadata.Source, NetworkMetadata.SourceOf(headed ?? annotation.Source)));
        if (label.Classes is { AreAdopted: true, Names: var names })
            trained.NameClasses(names);
        Finish(trained, rows.Images);
        return trained;
    }

    private Network TrainWithoutLabels(Start start)
    {
        var annotation = start.Annotation;
        var initial = annotation.Network;
        if (Prediction.KindOf(initial) == PredictionKind.None)
        {
            throw new ArgumentException(
                $"The network's output is {initial.Graph.Outputs[0]}; adapting without labels needs scores of classes, "
                + "[batch, classes] or [batch, classes, height, width].");
        }
        UnlabelledAdaptation.Check(initial, _options);
        TrainingHost.CheckCrop(initial, start.RowShape, Rows.CropSize);
        TrainingHost.CheckCrop(initial, start.RowShape, _options.CropSize);
        CheckClassWeights(initial);
        FiniteCheck.Parameters(initial);
        using var rows = start.Read(label: null, defaultRows: null);
        CheckMoments(initial.Graph, rows.Images.shape[0], start);
        start.Channel.Info(MessageSensitivity.Schema,
            "Column '{0}': adapting the network of '{1}' to {2} rows{3} without labels by {4}, {5} epochs, on {6}.",
            start.OutputColumnName, start.InputColumnName, rows.Images.shape[0], start.OfDomain, _options.Method,
            _options.Method == AdaptationMethod.Statistics ? 0 : _options.Epochs, start.Device);
        using var placed = initial.To(start.Device);
        var (trained, report) = new UnlabelledAdaptation(
            placed, rows.Images, _options, start.Seed, Warn, Rows.CancellationToken).Run();
        start.Channel.Info(MessageSensitivity.Schema,
            "Column '{0}': without labels, before and after: mean entropy {1:0.000} and {2:0.000}, information "
            + "{3:0.000} and {4:0.000}, neighborhood density {5:0.000} and {6:0.000}; {7:0.0%} of the classes are "
            + "still those of '{8}'.",
            start.OutputColumnName, report.Before.MeanEntropy, report.After.MeanEntropy, report.Before.Information,
            report.After.Information, report.Before.NeighborhoodDensity, report.After.NeighborhoodDensity,
            report.After.SourceAgreement, start.InputColumnName);
        if (report.KeptSource is { } reason)
            Warn($"the network of '{start.InputColumnName}' is kept as it is: {reason}");
        trained.Metadata = initial.Metadata.With(
            (NetworkMetadata.Source, NetworkMetadata.SourceOf(annotation.Source)),
            (NetworkMetadata.Adaptation, report.Write()));
        Finish(trained, rows.Images);
        return trained;

        void Warn(string warning) => start.Channel.Warning(
            MessageSensitivity.Schema, "Column '{0}': {1}", start.OutputColumnName, warning);
    }

    /// <summary>The moments of a quantized network are those of its quantization.</summary>
    private SentMoments MomentsOf(Graph graph) =>
        graph.Layers.Quantizers.IsEmpty ? _options.Moments : SentMoments.Nothing;

    private void CheckMoments(Graph graph, long images, Start start) => InputGrams.Check(
        graph, images, MomentsOf(graph),
        warning => start.Channel.Warning(
            MessageSensitivity.Schema, "Column '{0}': {1}", start.OutputColumnName, warning));

    private void Finish(Network trained, torch.Tensor images)
    {
        var moments = MomentsOf(trained.Graph);
        InputGrams.Send(trained, images, moments, _options.BatchSize, Rows.CancellationToken);
    }

    /// <summary>A network with the rows' classes begins a line of its own: no network before it has its graph.</summary>
    private protected override bool IsSource => _options.HeadClassNames is not null;

    private protected override PredictionKind? NewKind(SchemaShape input) =>
        _options.HeadClassNames is null || input.All(column => column.Name != Rows.LabelColumnName)
            ? null
            : input.Last(column => column.Name == Rows.LabelColumnName).IsKey
                ? PredictionKind.Label
                : PredictionKind.Mask;

    /// <summary>The network with a new head; null if it keeps its own.</summary>
    private Network? WithHead(Start start)
    {
        if (_options.HeadClassNames is not { } names)
            return null;
        var network = start.Annotation.Network;
        return InputColumn.Find(start.Data.Schema, Rows.LabelColumnName).Type is KeyDataViewType
            ? network.WithClassifier(names, start.Seed, _options.HeadFeatures)
            : network.WithSegmenter(names, start.Seed, _options.HeadFeatures);
    }

    /// <summary>Refuses masks of a foreground whose value is the one that means no class.</summary>
    private void CheckMasks(torch.Tensor masks)
    {
        using var scope = torch.NewDisposeScope();
        var isIgnored = masks.eq(Scalars.Keep(Rows.IgnoredLabel));
        if (!isIgnored.any().item<bool>()
            || masks.ne(Scalars.Keep(0)).logical_and(isIgnored.logical_not()).any().item<bool>())
        {
            return;
        }
        throw new InvalidOperationException(
            $"The masks of column '{Rows.LabelColumnName}' have no other class than 0 besides {Rows.IgnoredLabel}, "
            + $"which means that a pixel has no class and is ignored; if it is the value of a class in the files, map "
            + $"it with {nameof(MaskLoadingOptions)}.{nameof(MaskLoadingOptions.ClassMap)}, "
            + $"for example to class 1 with {{ [0] = 0, [{Rows.IgnoredLabel}] = 1 }}.");
    }

    private void CheckClasses(Network network, torch.Tensor labels, bool isSegmenter, DataViewType type)
    {
        if (network.Graph.Outputs[0].Shape is not [_, > 0 and var classes, ..])
            return;
        using var scope = torch.NewDisposeScope();
        var last = isSegmenter
            ? labels[labels.ne(Scalars.Keep(Rows.IgnoredLabel))].max().to(torch.ScalarType.Int64)
            : labels.max();
        if (last.item<long>() >= classes)
        {
            throw Errors.SchemaMismatch(
                Rows.LabelColumnName,
                $"{(isSegmenter ? "masks" : "Key")} of at most the network's {classes} classes",
                isSegmenter ? $"a mask of class {last.item<long>()}" : type);
        }
        CheckClassWeights(network);
    }

    private void CheckClassWeights(Network network)
    {
        if (network.Graph.Outputs[0].Shape is [_, > 0 and var classes, ..]
            && _options.ClassWeights is { } weights && weights.Count != classes)
        {
            throw Errors.Option(nameof(AdaptationOptions.ClassWeights), weights.Count,
                $"{nameof(AdaptationOptions.ClassWeights)} has {weights.Count} weights, "
                + $"and the network has {classes} classes.");
        }
    }
}

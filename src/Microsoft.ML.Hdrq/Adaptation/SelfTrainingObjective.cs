using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// Self-training: the labels of images, or of pixels, are those that a teacher is sure of, and the teacher is the
/// moving average of the network that learns. What is sure differs for each class: its own surest share (Zou et al.,
/// "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training", ECCV 2018).
/// </summary>
internal sealed class SelfTrainingObjective : TrainingObjective
{
    /// <summary>The share of each class's predictions that are learned from.</summary>
    internal const double SureShare = 0.5;

    /// <summary>The weight of the teacher in its own average, once there are enough steps.</summary>
    internal const double Memory = 0.99;

    /// <summary>The most predictions of an image that its classes' confidence is measured on.</summary>
    private const int MaxPredictions = 1024;

    private readonly torch.Tensor _images;
    private readonly torch.Tensor? _classWeights;
    private readonly int _batchSize;
    private torch.Tensor? _thresholds;
    private int _steps;

    /// <summary>Starts with a network as its own teacher.</summary>
    /// <param name="network">The network to adapt, on the device to train on.</param>
    /// <param name="images">All images; the caller keeps them.</param>
    /// <param name="options">The training options.</param>
    public SelfTrainingObjective(Network network, torch.Tensor images, AdaptationOptions options)
    {
        (_images, _batchSize) = (images, options.BatchSize);
        Teacher = Logits.Copy(network, network.Device);
        _classWeights = options.ClassWeights is { } weights
            ? torch.tensor(weights.ToArray(), device: network.Device).DetachFromDisposeScope()
            : null;
    }

    /// <summary>The moving average of the network.</summary>
    internal Network Teacher { get; }

    /// <summary>Measures how sure the teacher is of each class.</summary>
    public override void StartEpoch(Network network, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var (classes, confidences) = (new List<torch.Tensor>(), new List<torch.Tensor>());
        var count = 0L;
        foreach (var (start, size) in NetworkBatches.Of(Teacher.Graph, _images.shape[0], _batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = torch.NewDisposeScope();
            var scores = Teacher.Forward(_images.narrow(0, start, size));
            count = scores.shape[1];
            var (confidence, best) = scores.softmax(1).flatten(2 - (scores.dim() == 2 ? 1 : 0)).max(1);
            var step = Math.Max(1, confidence.numel() / size / MaxPredictions);
            var some = torch.arange(
                Scalars.Keep(0L), Scalars.Keep(confidence.numel()), Scalars.Keep(step), device: confidence.device);
            confidences.Add(confidence.flatten().index_select(0, some).MoveToOtherDisposeScope(scope));
            classes.Add(best.flatten().index_select(0, some).MoveToOtherDisposeScope(scope));
        }
        var thresholds = Thresholds(torch.cat(classes), torch.cat(confidences), count);
        _thresholds?.Dispose();
        _thresholds = thresholds.DetachFromDisposeScope();
    }

    /// <summary>The confidence that the surest share of each class's predictions has; 0 for a class of none.</summary>
    internal static torch.Tensor Thresholds(torch.Tensor classes, torch.Tensor confidences, long count)
    {
        var thresholds = torch.zeros([count], torch.ScalarType.Float32, confidences.device);
        for (var number = 0L; number < count; number++)
        {
            using var scope = torch.NewDisposeScope();
            var own = confidences[classes.eq(Scalars.Keep(number))];
            if (own.numel() > 0)
                thresholds[number] = own.quantile(torch.tensor(1 - SureShare, own.dtype, own.device));
        }
        return thresholds;
    }

    public override torch.Tensor? Loss(
        Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout)
    {
        var (confidence, best) = Teacher.Forward(batch.Images).softmax(1).max(1);
        var labels = best.masked_fill(
            confidence.lt(_thresholds!.index_select(0, best.flatten()).reshape(best.shape)), Scalars.Keep(-100L));
        return labels.ge(Scalars.Keep(0L)).any().item<bool>()
            ? torch.nn.functional.cross_entropy(
                network.Forward(batch.Images, mode, dropout), labels, _classWeights, ignore_index: -100)
            : null;
    }

    public override void EndStep(Network network)
    {
        // Few steps make an average of all networks so far.
        var memory = Math.Min(Memory, _steps / (_steps + 1.0));
        _steps++;
        using var noGradients = torch.no_grad();
        foreach (var (name, average) in Teacher.Parameters)
        {
            if (average.is_floating_point())
                average.mul_(Scalars.Keep(memory)).add_(network.Parameters[name], Scalars.Keep(1 - memory));
        }
    }

    public override void Write(BinaryWriter writer)
    {
        writer.Write(_steps);
        writer.WriteParameters(Teacher, Teacher.Parameters.Keys);
    }

    public override Action Read(BinaryReader reader)
    {
        var steps = reader.ReadInt32();
        var copy = reader.ReadParameters(Teacher, Teacher.Parameters.Keys);
        return () =>
        {
            _steps = steps;
            copy(Teacher);
        };
    }

    public override void Dispose()
    {
        Teacher.Dispose();
        _thresholds?.Dispose();
        _classWeights?.Dispose();
        base.Dispose();
    }
}

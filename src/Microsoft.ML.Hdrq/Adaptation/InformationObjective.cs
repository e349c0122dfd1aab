using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// SHOT: the features learn to fit the head, which stays as it is. The loss of a batch is the mean entropy of its
/// images less the entropy of their mean probabilities; with pseudo-labels also <see cref="LabelWeight"/> times the
/// cross-entropy for these.
/// </summary>
internal sealed class InformationObjective : TrainingObjective
{
    /// <summary>The weight of the pseudo-labels: beta of the paper.</summary>
    internal const double LabelWeight = 0.3;

    private readonly IReadOnlySet<string> _head;
    private readonly torch.Tensor? _images;
    private readonly string? _features;
    private readonly int _batchSize;
    private torch.Tensor? _labels;

    /// <summary>Prepares the objective.</summary>
    /// <param name="network">The network to adapt.</param>
    /// <param name="images">The images to find pseudo-labels of; the caller keeps them. Null for none.</param>
    /// <param name="batchSize">The number of images in a pass that finds pseudo-labels.</param>
    public InformationObjective(Network network, torch.Tensor? images, int batchSize)
    {
        (_images, _batchSize) = (images, batchSize);
        _head = network.Graph.Layers.Head;
        _features = images is null ? null : network.Graph.Layers.Last!.Input;
    }

    /// <summary>Checks that a network can be adapted.</summary>
    /// <param name="graph">The network's graph.</param>
    /// <param name="findsLabels">Whether pseudo-labels are asked for.</param>
    /// <exception cref="ArgumentException">It has no features, or nothing before its head.</exception>
    public static void Check(Graph graph, bool findsLabels)
    {
        if (findsLabels && graph.Layers.Last is null)
        {
            throw new ArgumentException(
                $"{nameof(AdaptationMethod.Shot)} needs the features that a network's last layer reads, and this one "
                + $"does not end in a layer; {nameof(AdaptationMethod.InformationMaximization)} does not need them.");
        }
        var head = graph.Layers.Head;
        if (!graph.Parameters.Any(
            parameter => parameter.Role == ParameterRole.Weight && !head.Contains(parameter.Name)))
        {
            throw new ArgumentException(
                $"{nameof(AdaptationMethod.Shot)} and {nameof(AdaptationMethod.InformationMaximization)} train what is "
                + "before the head, and the network is nothing but a head.");
        }
    }

    public override torch.Tensor? Labels => _labels;

    /// <summary>Statistics follow the features.</summary>
    public override ForwardMode Mode => ForwardMode.Training;

    public override bool Trains(string weight) => !_head.Contains(weight);

    public override void StartEpoch(Network network, CancellationToken cancellationToken)
    {
        if (_images is null)
            return;
        using var scope = torch.NewDisposeScope();
        var (features, probabilities) = (new List<torch.Tensor>(), new List<torch.Tensor>());
        var context = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Keep };
        foreach (var (start, count) in NetworkBatches.Of(network.Graph, _images.shape[0], _batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var batch = _images.narrow(0, start, count);
            Keep(network.Graph.Inputs[0].Name, batch);
            probabilities.Add(network.Run([batch], context)[0].softmax(1));
        }
        var labels = PseudoLabels.Find(torch.cat(features), torch.cat(probabilities)).to(_images.device);
        _labels?.Dispose();
        _labels = labels.DetachFromDisposeScope();

        void Keep(string name, torch.Tensor value)
        {
            if (name == _features)
                features.Add(value.flatten(1).to(network.Device).clone().MoveToOtherDisposeScope(scope));
        }
    }

    public override torch.Tensor? Loss(
        Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout)
    {
        // One image has no mean of several, and no statistics.
        if (batch.Images.shape[0] < 2)
            return null;
        var scores = network.Forward(batch.Images, mode, dropout);
        var loss = UnlabelledLosses.MeanEntropy(scores).sub(UnlabelledLosses.Diversity(scores));
        return batch.Labels is { } labels
            ? loss.add(torch.nn.functional.cross_entropy(scores, labels).mul(Scalars.Keep(LabelWeight)), Scalars.One)
            : loss;
    }

    public override void Dispose()
    {
        _labels?.Dispose();
        base.Dispose();
    }
}

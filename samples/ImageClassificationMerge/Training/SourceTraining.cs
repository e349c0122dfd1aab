using Microsoft.ML.Hdrq.Networks;
using TorchSharp;
using TorchSharp.Modules;

namespace ImageClassificationMerge.Training;

/// <summary>Trains a network on labelled images in memory.</summary>
internal static class SourceTraining
{
    /// <summary>Trains a copy of a network.</summary>
    /// <param name="initial">Where training starts; not changed.</param>
    /// <param name="images">The images, [N, 3, height, width], as the network takes them.</param>
    /// <param name="labels">Their classes, [N], 0-based.</param>
    /// <param name="options">How to train.</param>
    /// <param name="seed">Seed of the order and the shifts of the images.</param>
    /// <param name="device">Where to train.</param>
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Ends training between two steps.</param>
    /// <returns>The trained network on the CPU, owned by the caller.</returns>
    public static Network Train(
        Network initial, torch.Tensor images, torch.Tensor labels, TrainingOptions options, int seed, torch.Device device, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Trainable(initial, device);
        using var optimizer = torch.optim.SGD(network.Parameters.Values.OfType<Parameter>(), options.LearningRate, options.Momentum, weight_decay: options.WeightDecay, nesterov: true);
        var random = new Random(seed);
        var count = (int)images.shape[0];
        var stepsPerEpoch = (count + options.BatchSize - 1) / options.BatchSize;
        var steps = options.Epochs * stepsPerEpoch;
        var order = Enumerable.Range(0, count).Select(i => (long)i).ToArray();
        for (var step = 0; step < steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (step % stepsPerEpoch == 0)
                random.Shuffle(order);
            foreach (var group in optimizer.ParamGroups)
                group.LearningRate = options.LearningRate * 0.5 * (1 + Math.Cos(Math.PI * step / steps));

            using var stepScope = torch.NewDisposeScope();
            var start = step % stepsPerEpoch * options.BatchSize;
            var indices = torch.tensor(order[start..Math.Min(count, start + options.BatchSize)]);
            var batch = Shift(images.index_select(0, indices), options.Shift, random).to(device);
            var scores = network.Forward(batch, ForwardMode.Training);
            var loss = torch.nn.functional.cross_entropy(scores, labels.index_select(0, indices).to(device));
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
            progress?.Report(new TrainingProgress(step + 1, steps, loss.item<float>()));
        }
        return network.To(torch.CPU);
    }

    /// <summary>A copy whose weights are leaves that an optimizer can step.</summary>
    private static Network Trainable(Network network, torch.Device device)
    {
        using var copy = network.To(device);
        return new Network(network.Graph, network.Graph.Parameters.ToDictionary(parameter => parameter.Name, parameter =>
        {
            var tensor = copy.Parameters[parameter.Name].clone();
            return parameter.Role == ParameterRole.Weight ? new Parameter(tensor) : tensor;
        }), device);
    }

    /// <summary>Shifts all images of a batch by the same few pixels; what comes in is mirrored.</summary>
    private static torch.Tensor Shift(torch.Tensor batch, int distance, Random random)
    {
        var (height, width) = (batch.shape[2], batch.shape[3]);
        var (top, left) = (random.Next(2 * distance + 1), random.Next(2 * distance + 1));
        return torch.nn.functional.pad(batch, [distance, distance, distance, distance], PaddingModes.Reflect).narrow(2, top, height).narrow(3, left, width);
    }
}

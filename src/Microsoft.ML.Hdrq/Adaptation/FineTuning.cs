using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Trains a classifier of images, or of their pixels, further on labelled images in memory.</summary>
internal static class FineTuning
{
    /// <summary>Trains a copy of a network.</summary>
    /// <param name="network">The network to start from, on the device to train on; not changed.</param>
    /// <param name="images">The images, [images, ...] as the network takes them, on any device.</param>
    /// <param name="labels">
    /// The zero-based classes of the images, [images], or masks of zero-based classes, [images, height, width].
    /// </param>
    /// <param name="options">The training options.</param>
    /// <param name="ignoredLabel">The mask value of pixels that training ignores.</param>
    /// <param name="seed">The seed for the order of the images, their shifts and flips, and dropout.</param>
    /// <param name="cancellationToken">Stops training between two steps.</param>
    /// <param name="validated">Told after each epoch how the network does on the rows to validate on.</param>
    /// <returns>The trained network on the same device, owned by the caller.</returns>
    /// <exception cref="InvalidOperationException">
    /// The loss is not finite, so the learning rate is too large; or the scores and the labels differ in shape.
    /// </exception>
    public static Network Train(
        Network network, torch.Tensor images, torch.Tensor labels, AdaptationOptions options, int ignoredLabel,
        int seed, CancellationToken cancellationToken, Action<Validation, int>? validated = null)
    {
        using var scope = torch.NewDisposeScope();
        using var trained = Trainable(network);
        var groups = Groups(trained, options);
        using var optimizer = Optimizer(groups, options);
        var random = new Random(seed);
        using var dropout = new torch.Generator((ulong)random.NextInt64(), network.Device);
        var mode = options.UpdateStatistics ? ForwardMode.Training : ForwardMode.Gradient;
        var classWeights = options.ClassWeights is { } weights
            ? torch.tensor(weights.ToArray(), device: network.Device)
            : null;
        var fixedSize = NetworkBatches.FixedSize(network.Graph);
        // Every step takes as many images as the network needs.
        if (fixedSize is { } rows)
            options = options with { BatchSize = checked((int)rows) };
        using var validation = Validation.Draw(images, labels, options, ignoredLabel, random);
        var order = validation?.TrainingRows
            ?? Enumerable.Range(0, (int)images.shape[0]).Select(i => (long)i).ToArray();
        var count = fixedSize is null
            ? order.Length
            : (int)NetworkBatches.Of(network.Graph, order.Length, options.BatchSize).Sum(batch => batch.Count);
        var stepsPerEpoch = (count + options.BatchSize - 1) / options.BatchSize;
        var steps = options.Epochs * stepsPerEpoch;
        for (var step = 0; step < steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (step % stepsPerEpoch == 0)
                random.Shuffle(order);
            foreach (var (group, (_, rate)) in optimizer.ParamGroups.Zip(groups))
                group.LearningRate = rate * 0.5 * (1 + Math.Cos(Math.PI * step / steps));

            using var stepScope = torch.NewDisposeScope();
            var start = step % stepsPerEpoch * options.BatchSize;
            var size = Math.Min(options.BatchSize, count - start);
            var indices = torch.tensor(order.AsSpan(start, size).ToArray(), device: images.device);
            var (batch, targets) = ImageAugmentation.Apply(
                images.index_select(0, indices), labels.index_select(0, indices), options, random);
            var loss = HasLabels(targets)
                ? Step(step, batch.to(network.Device), targets.to(network.Device))
                : 0;
            var epoch = (step + 1) / stepsPerEpoch;
            var goesOn = true;
            if (validation is not null && (step + 1) % stepsPerEpoch == 0)
            {
                goesOn = validation.Try(trained, epoch, cancellationToken);
                validated?.Invoke(validation, epoch);
            }
            options.Progress?.Report(new FineTuningProgress(step + 1, steps, loss, epoch, validation?.Accuracy));
            if (!goesOn)
                break;
        }
        return (validation?.Best ?? trained).To(network.Device, network.Graph);

        // A crop without any class has nothing to learn from.
        bool HasLabels(torch.Tensor targets) =>
            targets.dim() == 1 || targets.ne(Scalars.Keep(ignoredLabel)).any().item<bool>();

        float Step(int step, torch.Tensor batch, torch.Tensor targets)
        {
            var scores = trained.Forward(batch, mode, dropout);
            if (!scores.shape.AsSpan(2).SequenceEqual(targets.shape.AsSpan(1)))
            {
                throw new InvalidOperationException(
                    $"The network gives scores of shape {TensorShape.Describe(scores.shape)} for labels of shape "
                    + $"{TensorShape.Describe(targets.shape)}; a score is needed for each label, so a network that "
                    + "classifies pixels must resize its scores to the size of the images.");
            }
            var loss = torch.nn.functional.cross_entropy(scores, targets, classWeights, ignoredLabel);
            var value = loss.item<float>();
            if (!float.IsFinite(value))
            {
                throw new InvalidOperationException(
                    $"The loss is {value} in step {step + 1} of {steps}: the learning rate, {options.LearningRate}, "
                    + "is too large for this network.");
            }
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
            return value;
        }
    }

    /// <summary>
    /// Makes a copy whose weights are leaves that an optimizer can update. The loss takes logits, and makes
    /// probabilities of them itself.
    /// </summary>
    private static Network Trainable(Network network) =>
        new(Logits.Of(network.Graph), network.Graph.Parameters.ToDictionary(parameter => parameter.Name, parameter =>
        {
            var tensor = network.Parameters[parameter.Name].detach().clone();
            return parameter.Role == ParameterRole.Weight ? new Parameter(tensor) : tensor;
        }), network.Device);

    /// <summary>The weights that share a learning rate, and that rate.</summary>
    private static (Parameter[] Weights, double Rate)[] Groups(Network network, AdaptationOptions options)
    {
        var headRate = options.HeadLearningRate ?? options.LearningRate;
        var head = headRate == options.LearningRate ? null : network.Graph.Layers.Head;
        return
        [
            .. network.Parameters
                .Where(parameter => parameter.Value is Parameter)
                .GroupBy(parameter => head?.Contains(parameter.Key) == true)
                .Select(group => (
                    group.Select(parameter => (Parameter)parameter.Value).ToArray(),
                    group.Key ? headRate : options.LearningRate)),
        ];
    }

    private static torch.optim.Optimizer Optimizer(
        IEnumerable<(Parameter[] Weights, double Rate)> groups, AdaptationOptions options) =>
        options.Optimizer switch
        {
            FineTuningOptimizer.AdamW => torch.optim.AdamW(
                groups.Select(group => new AdamW.ParamGroup(
                    group.Weights, group.Rate, weight_decay: options.WeightDecay)),
                options.LearningRate, weight_decay: options.WeightDecay),
            _ => torch.optim.SGD(
                groups.Select(group => new SGD.ParamGroup(
                    group.Weights, group.Rate, options.Momentum, weight_decay: options.WeightDecay)),
                options.LearningRate, options.Momentum, weight_decay: options.WeightDecay),
        };
}

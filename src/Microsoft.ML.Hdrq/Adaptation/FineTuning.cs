using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Trains a classifier of images, or of their pixels, further on labelled images in memory.</summary>
internal static class FineTuning
{
    /// <summary>The most images on which the network is compared before and after training.</summary>
    private const int CheckedImages = 256;

    /// <summary>A loss that rises less than this stays where it was: there was nothing left to learn.</summary>
    private const double Rise = 0.01;

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
    /// <param name="warn">
    /// Told why training has not helped, if it has not: some images are then looked at before and after it. Null if
    /// nobody asks.
    /// </param>
    /// <param name="validated">Told after each epoch how the network does on the rows to validate on.</param>
    /// <returns>The trained network on the same device, owned by the caller.</returns>
    /// <exception cref="InvalidOperationException">
    /// The loss is not finite, so the learning rate is too large; or the scores and the labels differ in shape.
    /// </exception>
    public static Network Train(
        Network network, torch.Tensor images, torch.Tensor labels, AdaptationOptions options, int ignoredLabel,
        int seed, CancellationToken cancellationToken, Action<string>? warn = null,
        Action<Validation, int>? validated = null)
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
        if ((long)options.Epochs * stepsPerEpoch > int.MaxValue)
        {
            throw OptionCheck.Error(nameof(options.Epochs), options.Epochs,
                $"{nameof(options.Epochs)} is {options.Epochs}; that are too many for {stepsPerEpoch} steps in each.");
        }
        var steps = options.Epochs * stepsPerEpoch;
        // Each epoch draws from a generator of its own, so that it can be begun without those before.
        var epochs = new Random(random.Next());
        var checkpoints = new EpochCheckpoints(
            () => new JobHash("epochs").Add(network, images, labels, options, ignoredLabel, seed),
            options, trained, [.. groups.SelectMany(group => group.Weights)], optimizer, dropout, validation, warn);
        // With images to validate on, their accuracy tells.
        warn = validation is null ? warn : null;
        var before = warn is null ? default : Measure();
        var (finished, goesOn) = checkpoints.Restore();
        for (var epoch = 0; epoch < finished; epoch++)
            BeginEpoch();
        for (var step = finished * stepsPerEpoch; step < steps && goesOn; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (step % stepsPerEpoch == 0)
                BeginEpoch();
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
            if (validation is not null && (step + 1) % stepsPerEpoch == 0)
            {
                goesOn = validation.Try(trained, epoch, cancellationToken);
                validated?.Invoke(validation, epoch);
            }
            if ((step + 1) % stepsPerEpoch == 0)
                checkpoints.Save(epoch, goesOn);
            options.Progress?.Report(new FineTuningProgress(step + 1, steps, loss, epoch, validation?.Accuracy));
        }
        if (warn is not null)
            Compare(before, Measure(), options, warn);
        return (validation?.Best ?? trained).To(network.Device, network.Graph);

        void BeginEpoch()
        {
            random = new Random(epochs.Next());
            random.Shuffle(order);
        }

        // A crop without any class has nothing to learn from.
        bool HasLabels(torch.Tensor targets) =>
            targets.dim() == 1 || targets.ne(Scalars.Keep(ignoredLabel)).any().item<bool>();

        torch.Tensor Loss(torch.Tensor batch, torch.Tensor targets, ForwardMode forward)
        {
            var scores = trained.Forward(batch, forward, dropout);
            if (!scores.shape.AsSpan(2).SequenceEqual(targets.shape.AsSpan(1)))
            {
                throw new InvalidOperationException(
                    $"The network gives scores of shape {TensorShape.Describe(scores.shape)} for labels of shape "
                    + $"{TensorShape.Describe(targets.shape)}; a score is needed for each label, so a network that "
                    + "classifies pixels must resize its scores to the size of the images.");
            }
            return torch.nn.functional.cross_entropy(scores, targets, classWeights, ignoredLabel);
        }

        // The same images each time, shifted and cut out in the same way. The network is as it will be used.
        (double Loss, double Guessing, int Images) Measure()
        {
            using var measureScope = torch.NewDisposeScope();
            using var noGradients = torch.no_grad();
            var shifts = new Random(0);
            var measured = Math.Min(count, CheckedImages);
            if (fixedSize is not null)
                measured = Math.Max(options.BatchSize, measured / options.BatchSize * options.BatchSize);
            var (sum, summed, frequencies) = (0.0, 0, new Dictionary<long, double>());
            for (var start = 0; start < measured; start += options.BatchSize)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var batchScope = torch.NewDisposeScope();
                var size = Math.Min(options.BatchSize, measured - start);
                var indices = torch.tensor(
                    Enumerable.Range(start, size).Select(i => (long)i * count / measured).ToArray(),
                    device: images.device);
                var (batch, targets) = ImageAugmentation.Apply(
                    images.index_select(0, indices), labels.index_select(0, indices), options, shifts);
                if (!HasLabels(targets))
                    continue;
                var loss = Loss(batch.to(network.Device), targets.to(network.Device), ForwardMode.Inference);
                (sum, summed) = (sum + size * loss.item<float>(), summed + size);
                var (classes, _, counts) = targets[targets.ne(Scalars.Keep(ignoredLabel))]
                    .unique(return_counts: true);
                foreach (var (number, times) in classes.data<long>().Zip(counts!.data<long>()))
                {
                    frequencies[number] = frequencies.GetValueOrDefault(number)
                        + times * (options.ClassWeights?[(int)number] ?? 1.0);
                }
            }
            var all = frequencies.Values.Sum();
            return (sum / summed, -frequencies.Values.Sum(value => value / all * Math.Log(value / all)), summed);
        }

        float Step(int step, torch.Tensor batch, torch.Tensor targets)
        {
            var loss = Loss(batch, targets, mode);
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

    /// <summary>Says so where a network guesses, or was better before.</summary>
    private static void Compare(
        (double Loss, double Guessing, int Images) before, (double Loss, double Guessing, int Images) after,
        AdaptationOptions options, Action<string> warn)
    {
        var isGuess = after.Guessing > 0 && !(after.Loss < after.Guessing);
        if (!isGuess && !(after.Loss > before.Loss + Rise))
            return;
        var than = isGuess
            ? string.Create(CultureInfo.InvariantCulture,
                $"not below {after.Guessing:0.000}, that of guessing by how often each class occurs")
            : string.Create(CultureInfo.InvariantCulture, $"above {before.Loss:0.000}, that before training");
        var remedy = options.UpdateStatistics
            ? "or the epochs too few"
            : $"or, where training starts from scratch, {nameof(AdaptationOptions.UpdateStatistics)} is missing";
        warn(string.Create(CultureInfo.InvariantCulture,
            $"after training, the loss of {after.Images} rows is {after.Loss:0.000}, {than}. The learning rate, "
            + $"{options.LearningRate}, may be too large for batches of {options.BatchSize}, {remedy}."));
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

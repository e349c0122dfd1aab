using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Trains a classifier of images, or of their pixels, further on images in memory.</summary>
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
        using var objective = new LabelObjective(labels, options, ignoredLabel, network.Device);
        return Train(
            network, images, objective, options, ignoredLabel, seed, cancellationToken, warn, validated);
    }

    /// <summary>
    /// Trains a copy of a network for an objective; the rest is as with labels, which are one. Warnings and validation
    /// are for objectives with labels.
    /// </summary>
    public static Network Train(
        Network network, torch.Tensor images, TrainingObjective objective, AdaptationOptions options,
        int ignoredLabel, int seed, CancellationToken cancellationToken, Action<string>? warn = null,
        Action<Validation, int>? validated = null)
    {
        using var scope = torch.NewDisposeScope();
        using var trained = Trainable(network, objective);
        var groups = Groups(trained, objective, options);
        using var optimizers = new Optimizers(groups.Select(group => Optimizer(group.Weights, options)));
        var random = new Random(seed);
        using var dropout = new torch.Generator((ulong)random.NextInt64(), network.Device);
        var fixedSize = NetworkBatches.FixedSize(network.Graph);
        // Every step takes as many images as the network needs.
        if (fixedSize is { } rows)
            options = options with { BatchSize = checked((int)rows) };
        using var validation = objective.Labels is { } labels
            ? Validation.Draw(images, labels, options, ignoredLabel, random)
            : null;
        var order = validation?.TrainingRows
            ?? Enumerable.Range(0, (int)images.shape[0]).Select(i => (long)i).ToArray();
        var count = fixedSize is null
            ? order.Length
            : (int)NetworkBatches.Of(network.Graph, order.Length, options.BatchSize).Sum(batch => batch.Count);
        var stepsPerEpoch = StepsPerEpoch(network.Graph, order.Length, options.BatchSize);
        if ((long)options.Epochs * stepsPerEpoch > int.MaxValue)
        {
            throw OptionCheck.Error(nameof(options.Epochs), options.Epochs,
                $"{nameof(options.Epochs)} is {options.Epochs}; that are too many for {stepsPerEpoch} steps in each.");
        }
        var steps = options.Epochs * stepsPerEpoch;
        // Each epoch draws from a generator of its own, so that it can be begun without those before.
        var epochs = new Random(random.Next());
        var checkpoints = new EpochCheckpoints(
            Job, options, trained, optimizers, dropout, objective, validation, warn);
        // With images to validate on, their accuracy tells.
        warn = validation is null && objective.Labels is not null ? warn : null;
        var before = warn is null ? default : Measure();
        var (finished, goesOn) = checkpoints.Restore();
        for (var epoch = 0; epoch < finished; epoch++)
            BeginEpoch();
        for (var step = finished * stepsPerEpoch; step < steps && goesOn; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (step % stepsPerEpoch == 0)
            {
                objective.StartEpoch(trained, cancellationToken);
                BeginEpoch();
            }
            using var stepScope = torch.NewDisposeScope();
            var start = step % stepsPerEpoch * options.BatchSize;
            var size = Math.Min(options.BatchSize, count - start);
            var loss = Step(step, Batch(order.AsSpan(start, size).ToArray(), random));
            var epoch = (step + 1) / stepsPerEpoch;
            if ((step + 1) % stepsPerEpoch == 0)
                CheckWeights(step);
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
            Compare(before, CheckedLoss(Measure()), options, warn);
        return (validation?.Best ?? trained).To(network.Device, network.Graph);

        JobHash Job()
        {
            var job = new JobHash("epochs").Add(network, images, objective.Labels, options, ignoredLabel, seed);
            objective.Identify(job);
            return job;
        }

        void BeginEpoch()
        {
            random = new Random(epochs.Next());
            random.Shuffle(order);
        }

        TrainingBatch Batch(long[] rows, Random shifts)
        {
            var indices = torch.tensor(rows, device: images.device);
            var (batch, targets) = ImageAugmentation.Apply(
                images.index_select(0, indices), objective.Labels?.index_select(0, indices), options, shifts);
            return new(indices, batch.to(network.Device), targets?.to(network.Device));
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
                var batch = Batch(
                    [.. Enumerable.Range(start, size).Select(i => (long)i * count / measured)], shifts);
                if (objective.Loss(trained, batch, ForwardMode.Inference, dropout) is not { } loss)
                    continue;
                (sum, summed) = (sum + size * loss.item<float>(), summed + size);
                var targets = batch.Labels!;
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

        torch.Tensor Distance() => WeightDistance.Sum(trained.Parameters
            .Where(parameter => parameter.Value is Parameter)
            .Select(parameter => ((Parameter)parameter.Value, network.Parameters[parameter.Key])));

        float Step(int step, TrainingBatch batch)
        {
            if (objective.Loss(trained, batch, objective.Mode, dropout) is not { } loss)
                return 0;
            if (options.DistanceWeight > 0)
                loss = loss.add(Distance().mul(Scalars.Keep(options.DistanceWeight)), Scalars.One);
            var value = loss.item<float>();
            if (!float.IsFinite(value))
            {
                if (step == 0)
                    RefuseScores(value, trained.Forward(batch.Images, objective.Mode, dropout));
                throw new InvalidOperationException(
                    $"The loss is {value} in step {step + 1} of {steps}: {TooLarge(options)}");
            }
            optimizers.ForEach(optimizer => optimizer.ZeroGradients());
            loss.backward();
            foreach (var (optimizer, (_, rate)) in optimizers.Zip(groups))
                optimizer.Step(rate * 0.5 * (1 + Math.Cos(Math.PI * step / steps)));
            objective.EndStep(trained);
            return value;
        }

        // Nothing was learned yet: the learning rate has no part in it.
        void RefuseScores(float loss, torch.Tensor scores)
        {
            FiniteCheck.Values(scores, "scores", scores.shape[0], image => order[image]);
            throw new InvalidOperationException(
                $"The loss is {loss} before training: the network's scores are too large. Is the normalization right?");
        }

        // The loss of a step tells of the weights before it, so that nothing tells of those after the last one.
        void CheckWeights(int step)
        {
            if (FiniteCheck.NotFinite(trained) is { } parameter)
            {
                throw new InvalidOperationException(
                    $"Parameter '{parameter}' is not finite after step {step + 1} of {steps}: {TooLarge(options)}");
            }
        }

        (double Loss, double Guessing, int Images) CheckedLoss((double Loss, double Guessing, int Images) measured) =>
            measured.Images == 0 || double.IsFinite(measured.Loss) ? measured : throw new InvalidOperationException(
                $"The loss is {measured.Loss} after training: {TooLarge(options)}");
    }

    /// <summary>Why training has led to numbers that are none.</summary>
    internal static string TooLarge(AdaptationOptions options) => string.Create(CultureInfo.InvariantCulture,
        $"the learning rate, {options.LearningRate}, is too large for this network, or its input is not normalized as ")
        + "it wants.";

    /// <summary>The number of steps in which all images are seen once.</summary>
    /// <inheritdoc cref="NetworkBatches.Of" path="/param"/>
    public static int StepsPerEpoch(Graph graph, long count, int batchSize) =>
        NetworkBatches.Of(graph, count, batchSize).Count();

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
    private static Network Trainable(Network network, TrainingObjective objective) =>
        new(Logits.Of(network.Graph), network.Graph.Parameters.ToDictionary(parameter => parameter.Name, parameter =>
        {
            var tensor = network.Parameters[parameter.Name].detach().clone();
            return parameter.Role == ParameterRole.Weight && objective.Trains(parameter.Name)
                ? new Parameter(tensor)
                : tensor;
        }), network.Device)
        { MaxValueSize = network.MaxValueSize };

    /// <summary>The weights that share a learning rate, and that rate.</summary>
    private static (Parameter[] Weights, double Rate)[] Groups(
        Network network, TrainingObjective objective, AdaptationOptions options)
    {
        var headRate = options.HeadLearningRate ?? options.LearningRate;
        var head = headRate == options.LearningRate ? null : network.Graph.Layers.Head;
        return
        [
            .. network.Parameters
                .Where(parameter => parameter.Value is Parameter)
                .GroupBy(parameter => objective.Rate(
                    parameter.Key, parameter.Value,
                    head?.Contains(parameter.Key) == true ? headRate : options.LearningRate))
                .Select(group => (group.Select(parameter => (Parameter)parameter.Value).ToArray(), group.Key)),
        ];
    }

    private sealed class Optimizers(IEnumerable<ParameterOptimizer> optimizers)
        : List<ParameterOptimizer>(optimizers), IDisposable
    {
        public void Dispose() => ForEach(optimizer => optimizer.Dispose());
    }

    private static ParameterOptimizer Optimizer(IReadOnlyList<Parameter> weights, AdaptationOptions options) =>
        options.Optimizer == FineTuningOptimizer.AdamW
            ? new AdamOptimizer(weights, options.WeightDecay)
            : new SgdOptimizer(weights, options.Momentum, options.WeightDecay);
}

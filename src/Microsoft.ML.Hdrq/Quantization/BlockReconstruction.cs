using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Trains the weights and scales of one block so that its quantized output matches its full-precision output. Adam
/// minimizes the squared difference, summed over channels and averaged over positions, plus <c>gamma sum ||W - W0||</c>
/// for the source's weights W0, and the same term with another gamma for the block's own weights.
/// </summary>
internal sealed class BlockReconstruction : IDisposable
{
    /// <summary>The number of steps whose images are chosen, and brought to a GPU, together.</summary>
    private const int StepsDrawnTogether = 256;

    private readonly BlockTraining _training;
    private readonly string _name;
    private readonly Network _block;
    private readonly RandomPool _pool;
    private readonly Workspace _workspace = new();
    private readonly BatchSelection _batches;
    private readonly Random _random;
    private readonly HashSet<FakeQuantize> _weightQuantizers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<FakeQuantize, (Quantizer Quantizer, AdaptiveRounding Rounding)> _directions =
        new(ReferenceEqualityComparer.Instance);
    private readonly List<torch.Tensor> _starts = [];
    private readonly BlockOptimizer _optimizer;

    /// <summary>Prepares a block.</summary>
    /// <param name="network">The quantized network.</param>
    /// <param name="block">The part of the network to train.</param>
    /// <param name="source">The source network's weights by name; empty for no distance term.</param>
    /// <param name="training">The training options.</param>
    /// <param name="seed">The seed for order, noise and mixing.</param>
    public BlockReconstruction(
        Network network, Block block, IReadOnlyDictionary<string, torch.Tensor> source, BlockTraining training,
        int seed)
    {
        _training = training;
        _name = block.Name;
        _random = new Random(seed);
        _pool = new RandomPool(
            _random.Next(), network.Device, NoiseRounding.TableSize, 1 - training.MixingProbability);
        _batches = new BatchSelection(network.Device, _pool, _workspace);
        var layers = network.Graph.Layers;
        var quantizers = block.Nodes.Select(layers.QuantizerOf).OfType<Quantizer>().ToList();
        var weights = quantizers
            .Where(quantizer => quantizer.IsWeight)
            .ToDictionary(quantizer => quantizer.Value, StringComparer.Ordinal);
        var weightScaleNames = weights.Values
            .Select(quantizer => quantizer.Scale)
            .ToHashSet(StringComparer.Ordinal);
        var activationScaleNames = quantizers
            .Where(quantizer => !quantizer.IsWeight)
            .Select(quantizer => quantizer.Scale)
            .ToHashSet(StringComparer.Ordinal);
        var biasNames = training.LearnsBiases
            ? LayerBiases(block, layers).ToHashSet(StringComparer.Ordinal)
            : [];
        _weightQuantizers.UnionWith(weights.Values.Select(quantizer => quantizer.Operator));
        var (learnedWeights, learnedBiases) = (new List<Parameter>(), new List<Parameter>());
        var (weightScales, activationScales) = (new List<Parameter>(), new List<Parameter>());
        var (distances, drifts) = (new List<BlockOptimizer.Distance>(), new List<BlockOptimizer.Distance>());
        _block = Subgraph.Extract(network, block.Nodes, block.Inputs, block.Output, (definition, tensor) =>
        {
            using var detached = tensor.detach();
            var copy = detached.clone();
            var list = weights.ContainsKey(definition.Name) ? learnedWeights
                : biasNames.Contains(definition.Name) ? learnedBiases
                : weightScaleNames.Contains(definition.Name) ? weightScales
                : activationScaleNames.Contains(definition.Name) ? activationScales
                : null;
            if (list is null || training.Weights == WeightTraining.Adaptive && list != activationScales)
                return copy;
            var parameter = new Parameter(copy);
            list.Add(parameter);
            if (list != learnedWeights)
                return parameter;
            if (training.SourceDistanceWeight > 0 && source.TryGetValue(definition.Name, out var sourceWeight))
                distances.Add(new(parameter, sourceWeight, training.SourceDistanceWeight));
            if (training.OwnDistanceWeight > 0)
            {
                var start = tensor.detach().clone().DetachFromDisposeScope();
                _starts.Add(start);
                drifts.Add(new(parameter, start, training.OwnDistanceWeight));
            }
            return parameter;
        });
        if (training.Weights == WeightTraining.Adaptive)
        {
            foreach (var quantizer in weights.Values)
            {
                var rounding = new AdaptiveRounding(_block.Parameters[quantizer.Value], Scale(quantizer));
                _directions.Add(quantizer.Operator, (quantizer, rounding));
            }
        }
        var directions = _directions.Values.Select(entry => entry.Rounding.Direction);
        try
        {
            _optimizer = BlockOptimizer.Create(new(
                [.. learnedWeights, .. learnedBiases, .. directions],
                weightScales,
                activationScales,
                [.. distances, .. drifts]));
        }
        catch
        {
            // Where the device's memory is full, as much of it as there is here is wanted for the next attempt.
            DisposeParts();
            throw;
        }
    }

    /// <summary>Trains the block.</summary>
    /// <param name="data">The block's inputs and its output for all images.</param>
    /// <param name="progress">Called after every step with the step and its loss.</param>
    /// <param name="cancellationToken">Stops training between two steps.</param>
    /// <exception cref="InvalidOperationException">
    /// The loss of a step, or a weight or a scale after the last one, is not finite.
    /// </exception>
    public void Train(BlockData data, Action<int, float>? progress, CancellationToken cancellationToken)
    {
        var warmUp = (int)(_training.Iterations * _training.WarmUp);
        var noisy = Scheme(isNoisy: true);
        var rounding = Scheme(isNoisy: false);
        using var losses = new StepLosses(_block.Device, _name, progress);
        var drawn = new Queue<BatchIndices>();
        torch.Tensor? drawnTogether = null;
        try
        {
            for (var i = 0; i < _training.Iterations; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                // Rounding directions have a constant rate: the exponent's schedule makes them converge.
                var weightFactor = _directions.Count > 0
                    ? 1
                    : LearningRateSchedule.CosineAfterWarmUp(i, _training.Iterations, warmUp);
                var scaleFactor = LearningRateSchedule.Cosine(i, _training.Iterations);
                var exponent = i < warmUp
                    ? (double?)null
                    : AdaptiveRounding.Exponent(i, _training.Iterations, _training.WarmUp);
                var isNoisy = _training.Weights == WeightTraining.Noise && i < _training.Iterations - warmUp;
                if (drawn.Count == 0)
                {
                    drawnTogether?.Dispose();
                    drawnTogether = Draw(data.Count, Math.Min(StepsDrawnTogether, _training.Iterations - i), drawn);
                }
                var indices = drawn.Dequeue();
                using var numbers = indices.OnDevice;
                using var scope = torch.NewDisposeScope();
                var loss = Step(
                    data,
                    indices,
                    isNoisy ? noisy : rounding,
                    exponent,
                    _training.WeightRate * weightFactor,
                    _training.ActivationScaleLearningRate * scaleFactor);
                losses.Add(i + 1, loss);
            }
        }
        finally
        {
            foreach (var indices in drawn)
                indices.OnDevice?.Dispose();
            drawnTogether?.Dispose();
        }
        losses.Flush();
        // The last step's loss is that before it.
        if (FiniteCheck.NotFinite(_block) is { } parameter)
        {
            throw new InvalidOperationException(
                $"Parameter '{parameter}' is not finite after the last step of block '{_name}': a learning rate of the "
                + "training is too large for this network.");
        }
    }

    /// <summary>Runs one step.</summary>
    /// <param name="data">The data of all images.</param>
    /// <param name="indices">The images of the step.</param>
    /// <param name="rounding">The rounding schemes.</param>
    /// <param name="directionExponent">The exponent of the regularizer of rounding directions; null for none.</param>
    /// <param name="weightRate">The learning rate of weights.</param>
    /// <param name="activationScaleRate">The learning rate of the scales of activations.</param>
    /// <returns>The loss before the step, on the block's device.</returns>
    internal torch.Tensor Step(
        BlockData data, BatchIndices indices, Func<FakeQuantize, RoundingScheme> rounding, double? directionExponent,
        double weightRate, double activationScaleRate)
    {
        _workspace.Reset();
        var inputs = data.Quantized
            .Zip(data.Exact, (quantized, exact) => _training.MixingProbability > 0
                ? _batches.SelectMixed(quantized, exact, indices)
                : _batches.Select(quantized, indices))
            .ToList();
        var context = new ComputeContext(ForwardMode.Gradient, _block.Device) { Rounding = rounding };
        var output = _block.Run(inputs, context)[0];
        var loss = ReconstructionLoss.Squared(output, _batches.Select(data.Targets, indices));
        loss = _optimizer.AddDistances(loss);
        if (directionExponent is { } exponent)
        {
            foreach (var (_, directions) in _directions.Values)
            {
                var regularizer = AdaptiveRounding.Regularizer(directions.Direction, exponent);
                loss = loss.add(regularizer.mul(Scalars.Keep(AdaptiveRounding.RegularizerWeight)), Scalars.One);
            }
        }
        _optimizer.ZeroGradients();
        loss.backward();
        _workspace.ThrowFailure();
        _optimizer.Step(weightRate, activationScaleRate);
        return loss;
    }

    /// <summary>
    /// Makes the rounding schemes of a step. Weights use the scheme itself; for activations, the scale's gradient is
    /// reduced and the result is mixed with unquantized elements.
    /// </summary>
    internal Func<FakeQuantize, RoundingScheme> Scheme(bool isNoisy)
    {
        var weights = new TrainingRounding(_pool, _workspace, isNoisy, isMixed: false, isActivation: false);
        var activations = new TrainingRounding(
            _pool, _workspace, isNoisy, isMixed: _training.MixingProbability > 0, isActivation: true);
        return quantizer => _directions.TryGetValue(quantizer, out var entry) ? entry.Rounding
            : _weightQuantizers.Contains(quantizer) ? weights
            : activations;
    }

    /// <summary>Copies the learned parameters into the network.</summary>
    public void CopyTo(Network network)
    {
        using var noGradients = torch.no_grad();
        foreach (var definition in _block.Graph.Parameters)
            network.Parameters[definition.Name].copy_(_block.Parameters[definition.Name]);
        using var scope = torch.NewDisposeScope();
        foreach (var (quantizer, directions) in _directions.Values)
            network.Parameters[quantizer.Value].copy_(directions.Rounded(Scale(quantizer), quantizer.Operator.Range));
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        DisposeParts();
    }

    private void DisposeParts()
    {
        foreach (var (_, directions) in _directions.Values)
            directions.Dispose();
        _starts.ForEach(start => start.Dispose());
        _block.Dispose();
        _pool.Dispose();
        _workspace.Dispose();
    }

    /// <summary>Finds the biases of the block's layers with a quantized weight.</summary>
    private static IEnumerable<string> LayerBiases(Block block, GraphLayers layers) =>
        block.Nodes
            .Select(layers.Of)
            .OfType<Layer>()
            .Where(layer => layer.WeightQuantizer is not null)
            .Select(layer => layer.Bias)
            .OfType<string>();

    /// <summary>Gets the scale of a quantized weight, broadcast to the weight's shape.</summary>
    private torch.Tensor Scale(Quantizer quantizer) =>
        quantizer.Operator.Spread(_block.Parameters[quantizer.Scale], _block.Parameters[quantizer.Value]);

    /// <summary>Draws the images of some steps.</summary>
    /// <returns>What holds their numbers on a GPU; null for the CPU.</returns>
    private torch.Tensor? Draw(long count, int steps, Queue<BatchIndices> drawn)
    {
        var size = (int)Math.Min(_training.BatchSize, count);
        var numbers = new long[steps * size];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = _random.NextInt64(count);
        var together = _block.Device.type == DeviceType.CPU
            ? null
            : torch.tensor(numbers, [steps, size], device: _block.Device).DetachFromDisposeScope();
        for (var step = 0; step < steps; step++)
        {
            drawn.Enqueue(new BatchIndices(
                numbers[(step * size)..((step + 1) * size)], together?[step].DetachFromDisposeScope()));
        }
        return together;
    }
}

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
    private readonly BlockTraining _training;
    private readonly Network _block;
    private readonly RandomPool _pool;
    private readonly Workspace _workspace = new();
    private readonly BatchSelection _batches;
    private readonly Random _random;
    private readonly HashSet<FakeQuantize> _weightQuantizers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<FakeQuantize, (Quantizer Quantizer, AdaptiveRounding Rounding)> _directions =
        new(ReferenceEqualityComparer.Instance);
    private readonly List<Parameter> _weights = [];
    private readonly List<Parameter> _biases = [];
    private readonly List<Parameter> _weightScales = [];
    private readonly List<Parameter> _activationScales = [];
    private readonly List<(Parameter Weight, torch.Tensor Source)> _distances = [];
    private readonly List<(Parameter Weight, torch.Tensor Start)> _drifts = [];
    private readonly Adam _weightOptimizer;
    private readonly Adam? _activationOptimizer;

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
        _block = Subgraph.Extract(network, block.Nodes, block.Inputs, block.Output, (definition, tensor) =>
        {
            using var detached = tensor.detach();
            var copy = detached.clone();
            var list = weights.ContainsKey(definition.Name) ? _weights
                : biasNames.Contains(definition.Name) ? _biases
                : weightScaleNames.Contains(definition.Name) ? _weightScales
                : activationScaleNames.Contains(definition.Name) ? _activationScales
                : null;
            if (list is null || training.Weights == WeightTraining.Adaptive && list != _activationScales)
                return copy;
            var parameter = new Parameter(copy);
            list.Add(parameter);
            if (list == _weights && source.TryGetValue(definition.Name, out var sourceWeight))
                _distances.Add((parameter, sourceWeight));
            if (list == _weights && training.OwnDistanceWeight > 0)
                _drifts.Add((parameter, tensor.detach().clone().DetachFromDisposeScope()));
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
        var learned = _weights
            .Concat(_biases)
            .Concat(_weightScales)
            .Concat(_directions.Values.Select(entry => entry.Rounding.Direction));
        _weightOptimizer = torch.optim.Adam(learned, training.WeightRate);
        _activationOptimizer = _activationScales.Count > 0
            ? torch.optim.Adam(_activationScales, training.ActivationScaleLearningRate)
            : null;
    }

    /// <summary>Trains the block.</summary>
    /// <param name="data">The block's inputs and its output for all images.</param>
    /// <param name="progress">Called after every step with the step and its loss.</param>
    /// <param name="cancellationToken">Stops training between two steps.</param>
    public void Train(BlockData data, Action<int, float>? progress, CancellationToken cancellationToken)
    {
        var warmUp = (int)(_training.Iterations * _training.WarmUp);
        var noisy = Scheme(isNoisy: true);
        var rounding = Scheme(isNoisy: false);
        for (var i = 0; i < _training.Iterations; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            // Rounding directions have a constant rate: the exponent's schedule makes them converge.
            var weightFactor = _directions.Count > 0
                ? 1
                : LearningRateSchedule.CosineAfterWarmUp(i, _training.Iterations, warmUp);
            SetLearningRate(_weightOptimizer, _training.WeightRate * weightFactor);
            SetLearningRate(
                _activationOptimizer,
                _training.ActivationScaleLearningRate * LearningRateSchedule.Cosine(i, _training.Iterations));
            using var scope = torch.NewDisposeScope();
            var exponent = i < warmUp
                ? (double?)null
                : AdaptiveRounding.Exponent(i, _training.Iterations, _training.WarmUp);
            var isNoisy = _training.Weights == WeightTraining.Noise && i < _training.Iterations - warmUp;
            var loss = Step(data, Draw(data.Count), isNoisy ? noisy : rounding, exponent);
            progress?.Invoke(i + 1, loss);
        }
    }

    /// <summary>Runs one step on the images with these indices.</summary>
    internal float Step(
        BlockData data, long[] indices, Func<FakeQuantize, RoundingScheme> rounding, double? directionExponent = null)
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
        (List<(Parameter Weight, torch.Tensor Source)> Distances, double Weight)[] terms =
        [
            (_distances, _training.SourceDistanceWeight),
            (_drifts, _training.OwnDistanceWeight),
        ];
        foreach (var (distances, weight) in terms)
        {
            if (weight > 0 && distances.Count > 0)
                loss = loss.add(ReconstructionLoss.Distance(distances).mul(Scalars.Keep(weight)), Scalars.One);
        }
        if (directionExponent is { } exponent)
        {
            foreach (var (_, directions) in _directions.Values)
            {
                var regularizer = AdaptiveRounding.Regularizer(directions.Direction, exponent);
                loss = loss.add(regularizer.mul(Scalars.Keep(AdaptiveRounding.RegularizerWeight)), Scalars.One);
            }
        }
        _weightOptimizer.zero_grad();
        _activationOptimizer?.zero_grad();
        loss.backward();
        _weightOptimizer.step();
        _activationOptimizer?.step();
        using (torch.no_grad())
        {
            foreach (var scale in _weightScales.Concat(_activationScales))
                scale.abs_().clamp_(min: Scalars.Keep(RangeObserver.MinScale));
        }
        return loss.item<float>();
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
        _weightOptimizer.Dispose();
        _activationOptimizer?.Dispose();
        foreach (var (_, directions) in _directions.Values)
            directions.Dispose();
        foreach (var (_, start) in _drifts)
            start.Dispose();
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

    private static void SetLearningRate(Adam? optimizer, double rate)
    {
        foreach (var group in optimizer?.ParamGroups ?? [])
            group.LearningRate = rate;
    }

    private long[] Draw(long count)
    {
        var indices = new long[Math.Min(_training.BatchSize, count)];
        for (var i = 0; i < indices.Length; i++)
            indices[i] = _random.NextInt64(count);
        return indices;
    }
}

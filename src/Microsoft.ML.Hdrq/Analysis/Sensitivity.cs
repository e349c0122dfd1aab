using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// Quantizes one layer of a network at a time, and all layers except one at a time. Everything is computed with the
/// graph of the quantized network: quantizers are active or bypassed, and layers hold either their quantized weights
/// and biases or those of the network in full precision.
/// </summary>
internal sealed class Sensitivity : IDisposable
{
    private readonly Network _exact;
    private readonly Network _quantized;
    private readonly Network _mixture;
    private readonly List<(Layer Quantized, Layer Exact)> _layers;
    private readonly Dictionary<object, RoundingScheme> _bypass = new(ReferenceEqualityComparer.Instance);

    private Sensitivity(Network fullPrecision, Network quantized)
    {
        _exact = FoldBatchNormalization.Apply(fullPrecision);
        _quantized = quantized;
        _mixture = quantized.Clone();
        try
        {
            _layers = [.. GraphLayers.Pair(quantized, _exact)];
            FindClips();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Measures all quantized layers.</summary>
    /// <param name="fullPrecision">
    /// The network before it was quantized, on the device to compute on; not changed.
    /// </param>
    /// <param name="quantized">The quantized network, on the same device; not changed.</param>
    /// <param name="evaluation">The images.</param>
    /// <param name="progress">Receives a report of every layer of every batch.</param>
    /// <param name="cancellationToken">Ends the measurement between two batches.</param>
    /// <exception cref="ArgumentException">
    /// The networks do not have the same layers, or nothing is quantized.
    /// </exception>
    public static SensitivityReport Measure(
        Network fullPrecision, Network quantized, Evaluation evaluation,
        IProgress<AnalysisProgress>? progress, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        using var sensitivity = new Sensitivity(fullPrecision, quantized);
        return sensitivity.Measure(evaluation, progress, cancellationToken);
    }

    public void Dispose()
    {
        _exact.Dispose();
        _mixture.Dispose();
    }

    private SensitivityReport Measure(
        Evaluation evaluation, IProgress<AnalysisProgress>? progress, CancellationToken cancellationToken)
    {
        var layers = _layers
            .Where(layer => layer.Quantized.WeightQuantizer is not null || layer.Quantized.InputQuantizer is not null)
            .ToList();
        if (layers.Count == 0)
            throw new ArgumentException("No layer of the network is quantized.");
        var sums = layers.Select(_ => new Sums()).ToArray();
        var (exact, all) = (new Score(), new Score());
        var batches = evaluation.Batches(_quantized.Graph).ToList();
        var done = 0;
        foreach (var (start, count) in batches)
        {
            using var scope = torch.NewDisposeScope();
            var batch = new Evaluation(
                evaluation.Images.narrow(0, start, count), evaluation.Labels.narrow(0, start, count), (int)count);
            if (batch.Labels.eq(Scalars.Keep(Evaluation.Ignored)).all().item<bool>())
                continue;
            var outputs = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
            var names = layers.Select(layer => layer.Quantized.Node.Outputs[0])
                .ToHashSet(StringComparer.Ordinal);
            SetAll(isQuantized: false);
            var exactImages = batch.MeasureImages(_mixture, Rounding(_ => false), (_, name, value) =>
            {
                if (names.Contains(name))
                    outputs.Add(name, value.alias().DetachFromDisposeScope());
            }, cancellationToken);
            exact.Add(exactImages);
            try
            {
                for (var l = 0; l < layers.Count; l++)
                {
                    var (output, sum) = (layers[l].Quantized.Node.Outputs[0], sums[l]);
                    var own = Quantizers(layers[l].Quantized);
                    Set(layers[l], isQuantized: true);
                    var alone = batch.MeasureImages(_mixture, Rounding(own.Contains), (_, name, value) =>
                    {
                        if (name == output)
                            sum.AddNoise(outputs[output], value);
                    }, cancellationToken);
                    sum.Alone.Add(alone);
                    sum.Rise.Add(alone, exactImages);
                    Set(layers[l], isQuantized: false);
                }
            }
            finally
            {
                foreach (var output in outputs.Values)
                    output.Dispose();
            }
            SetAll(isQuantized: true);
            var allImages = batch.MeasureImages(_mixture, null, null, cancellationToken);
            all.Add(allImages);
            for (var l = 0; l < layers.Count; l++)
            {
                var own = Quantizers(layers[l].Quantized);
                Set(layers[l], isQuantized: false);
                var without = batch.MeasureImages(
                    _mixture, Rounding(quantizer => !own.Contains(quantizer)), null, cancellationToken);
                sums[l].Without.Add(without);
                sums[l].Fall.Add(allImages, without);
                Set(layers[l], isQuantized: true);
                progress?.Report(new AnalysisProgress(++done, batches.Count * layers.Count));
            }
        }
        if (exact.Images == 0)
            throw new ArgumentException("No image has a label.");
        return new SensitivityReport(
            exact.Images, exact.Mean, all.Mean, layers.Zip(sums, (layer, sum) => new LayerSensitivity(
                layer.Quantized.Name, layer.Quantized.Count(_quantized), layer.Quantized.WeightBits,
                layer.Quantized.ActivationBits, sum.SignalToNoise, sum.Alone.Mean, sum.Rise.StandardError,
                sum.Without.Mean, sum.Fall.StandardError)));
    }

    private static HashSet<object> Quantizers(Layer layer) =>
        new[] { layer.WeightQuantizer, layer.InputQuantizer }
            .OfType<Quantizer>()
            .Select(quantizer => (object)quantizer.Operator)
            .ToHashSet(ReferenceEqualityComparer.Instance);

    private Func<FakeQuantize, RoundingScheme> Rounding(Func<object, bool> isActive) =>
        quantizer => isActive(quantizer)
            ? NearestRounding.Instance
            : _bypass.GetValueOrDefault(quantizer, BypassRounding.Instance);

    private void SetAll(bool isQuantized) => _layers.ForEach(layer => Set(layer, isQuantized));

    /// <summary>Copies the weight and bias of a layer from one of the two networks.</summary>
    private void Set((Layer Quantized, Layer Exact) layer, bool isQuantized)
    {
        using var noGradients = torch.no_grad();
        Copy(layer.Quantized.Weight, layer.Exact.Weight);
        if (layer is { Quantized.Bias: { } bias, Exact.Bias: { } exactBias }
            && _exact.Parameters.ContainsKey(exactBias) && _mixture.Parameters.ContainsKey(bias))
        {
            Copy(bias, exactBias);
        }

        void Copy(string name, string exact) =>
            _mixture.Parameters[name].copy_(isQuantized ? _quantized.Parameters[name] : _exact.Parameters[exact]);
    }

    /// <summary>
    /// Finds quantizers that took over the upper bound of a clip. Where these are bypassed, the bound must still apply.
    /// </summary>
    private void FindClips()
    {
        var nodes = _quantized.Graph.Nodes.Where(node => node.Operator is not FakeQuantize).ToList();
        if (nodes.Count != _exact.Graph.Nodes.Length)
            return;
        var flow = _quantized.Graph.Flow;
        for (var n = 0; n < nodes.Count; n++)
        {
            var original = _exact.Graph.Nodes[n];
            if (original.Operator is not Clip || nodes[n].Operator is Clip || original.Inputs.Length < 3
                || !_exact.Parameters.TryGetValue(original.Inputs[2], out var maximum))
            {
                continue;
            }
            var readers = flow.Readers(nodes[n].Outputs[0]).Where(reader => reader.Operator is FakeQuantize);
            foreach (var reader in readers)
                _bypass[reader.Operator] = new UpperBound(maximum.to(torch.ScalarType.Float32).item<float>());
        }
    }

    private sealed class UpperBound(float bound) : RoundingScheme
    {
        internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range) =>
            values.clamp(max: Scalars.Keep(bound));
    }

    private sealed class Score
    {
        private ImageLoss _sum;

        public int Images { get; private set; }

        public (double Loss, double Accuracy) Mean => _sum.Mean;

        public void Add(IReadOnlyList<ImageLoss> images)
        {
            _sum = ImageLoss.Total(images.Prepend(_sum));
            Images += images.Count;
        }
    }

    private sealed class Sums
    {
        private double _signal;
        private double _noise;

        public Score Alone { get; } = new();

        public Score Without { get; } = new();

        /// <summary>From full precision to this layer quantized.</summary>
        public PairedDifference Rise { get; } = new();

        /// <summary>From all layers quantized to all except this one.</summary>
        public PairedDifference Fall { get; } = new();

        public double SignalToNoise => _noise == 0 ? double.PositiveInfinity : 10 * Math.Log10(_signal / _noise);

        public void AddNoise(torch.Tensor exact, torch.Tensor quantized)
        {
            using var scope = torch.NewDisposeScope();
            _signal += Vectors.Dot([exact], [exact]);
            var noise = quantized.sub(exact);
            _noise += Vectors.Dot([noise], [noise]);
        }
    }
}

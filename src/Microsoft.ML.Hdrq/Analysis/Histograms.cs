using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>Counts the input values of the quantizers of a network.</summary>
internal static class Histograms
{
    private const int Bins = 80;

    /// <summary>The share of a range by which the bins extend beyond it on each side.</summary>
    private const double Margin = 0.125;

    /// <summary>Counts weights and activations.</summary>
    /// <param name="fullPrecision">
    /// The network before it was quantized, whose weights are counted; on the device to compute on.
    /// </param>
    /// <param name="quantized">The quantized network, whose activations are counted; on the same device.</param>
    /// <param name="evaluation">The images.</param>
    /// <param name="cancellationToken">Ends counting between two batches.</param>
    /// <returns>The histograms of weights, then those of activations, each in the order of the graph.</returns>
    /// <exception cref="ArgumentException">The networks do not have the same layers.</exception>
    public static ImmutableArray<QuantizerHistogram> Measure(
        Network fullPrecision, Network quantized, Evaluation evaluation, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        using var noGradients = torch.no_grad();
        using var folded = FoldBatchNormalization.Apply(fullPrecision);
        var histograms = ImmutableArray.CreateBuilder<QuantizerHistogram>();
        foreach (var (layer, exact) in GraphLayers.Pair(quantized, folded))
        {
            if (layer.WeightQuantizer is not { } quantizer)
                continue;
            var scale = quantized.Parameters[quantizer.Scale].detach();
            var counter = new Counter(layer.Name, isWeight: true, quantizer.Operator, scale);
            counter.Add(folded.Parameters[exact.Weight].detach());
            histograms.Add(counter.Histogram);
        }
        var activations = quantized.Graph.Layers.Quantizers
            .Where(quantizer => !quantizer.IsWeight)
            .Select(quantizer => (
                quantizer.Value,
                Counter: new Counter(
                    quantizer.Value, isWeight: false, quantizer.Operator,
                    quantized.Parameters[quantizer.Scale].detach())))
            .ToList();
        var byValue = activations.ToLookup(entry => entry.Value, entry => entry.Counter, StringComparer.Ordinal);
        var input = quantized.Graph.Inputs[0].Name;
        foreach (var (start, count) in evaluation.Batches(quantized.Graph))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = torch.NewDisposeScope();
            var batch = evaluation.Images.narrow(0, start, count);
            foreach (var counter in byValue[input])
                counter.Add(batch);
            quantized.Run([batch], new ComputeContext(ForwardMode.Inference, quantized.Device)
            {
                Watch = (name, value) =>
                {
                    foreach (var counter in byValue[name])
                        counter.Add(value);
                },
            });
        }
        histograms.AddRange(activations.Select(entry => entry.Counter.Histogram));
        return histograms.ToImmutable();
    }

    private sealed class Counter
    {
        private readonly string _name;
        private readonly bool _isWeight;
        private readonly FakeQuantize _quantizer;
        private readonly torch.Tensor _scale;
        private readonly double _minimum;
        private readonly double _maximum;
        private readonly long[] _counts = new long[Bins];
        private long _clipped;
        private long _total;

        public Counter(string name, bool isWeight, FakeQuantize quantizer, torch.Tensor scale)
        {
            (_name, _isWeight, _quantizer, _scale) = (name, isWeight, quantizer, scale);
            using var largest = scale.max();
            var step = largest.item<float>();
            (_minimum, _maximum) = (quantizer.Range.Minimum * step, quantizer.Range.Maximum * step);
        }

        private double Start => _minimum - Margin * (_maximum - _minimum);

        private double End => _maximum + Margin * (_maximum - _minimum);

        public QuantizerHistogram Histogram => new(
            _name, _isWeight, _quantizer.Range.Bits, _minimum, _maximum,
            _total == 0 ? 0 : (double)_clipped / _total, Start, End, [.. _counts]);

        public void Add(torch.Tensor values)
        {
            using var scope = torch.NewDisposeScope();
            var scale = _quantizer.Spread(_scale.to(values.device), values);
            var steps = values.div(scale);
            _clipped += steps.gt(Scalars.Keep(_quantizer.Range.Maximum + 0.5))
                .logical_or(steps.lt(Scalars.Keep(_quantizer.Range.Minimum - 0.5)))
                .sum()
                .item<long>();
            _total += values.numel();
            var bins = values.sub(Scalars.Keep(Start))
                .mul(Scalars.Keep(Bins / (End - Start)))
                .floor_()
                .clamp_(Scalars.Keep(0), Scalars.Keep(Bins - 1))
                .to(torch.ScalarType.Int64)
                .flatten();
            var counts = torch.bincount(bins, minlength: Bins).cpu().data<long>();
            for (var bin = 0; bin < Bins; bin++)
                _counts[bin] += counts[bin];
        }
    }
}

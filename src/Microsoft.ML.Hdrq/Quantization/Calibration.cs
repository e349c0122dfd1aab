using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Turns a network in full precision into a quantized one: looks at the values on calibration images, chooses ranges and scales, and puts quantizers into the graph.
/// That is rounding to nearest (RTN); reconstruction starts from it.
/// </summary>
internal static class Calibration
{
    /// <summary>By which factor a weight's own scale may differ from the source's, for the source's to be taken.</summary>
    private const double MostChange = 2;

    /// <summary>Quantizes a network.</summary>
    /// <param name="network">The network, its normalizations folded; not changed.</param>
    /// <param name="sites">Where quantizers go.</param>
    /// <param name="batches">The calibration images. Whether the network's input has negative values is decided from all of them.</param>
    /// <param name="options">How ranges are chosen.</param>
    /// <param name="perChannel">Whether a weight has a scale for each output channel.</param>
    /// <param name="cancellationToken">Ends calibration between two batches.</param>
    /// <param name="source">The source network's weights by name, for scales that all its descendants have in common; null for scales that are each network's own.</param>
    /// <param name="createObserver">Makes the observers of activations; null for those of the options.</param>
    /// <returns>The quantized network, owned by the caller.</returns>
    public static Network Apply(
        Network network, IReadOnlyCollection<QuantizerSite> sites, IReadOnlyList<torch.Tensor> batches, CalibrationOptions options, bool perChannel,
        CancellationToken cancellationToken, IReadOnlyDictionary<string, torch.Tensor>? source = null, Func<RangeObserver>? createObserver = null)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var activations = sites.Where(site => site.Layer is null).ToDictionary(site => site.Value, StringComparer.Ordinal);
        var signed = SignAnalysis.FindSigned(network.Graph, network.Parameters, batches.All(batch => batch.min().item<float>() >= 0));
        var scales = FindScales(network, activations, signed, batches.Take((CalibrationOptions.MostImages - 1) / options.BatchSize + 1), createObserver ?? options.CreateObserver, cancellationToken);

        var rewriter = new GraphRewriter(network);
        var weights = sites.Where(site => site.Layer is not null).ToDictionary(site => site.Value, StringComparer.Ordinal);
        foreach (var input in network.Graph.Inputs)
            QuantizeActivation(input.Name);
        foreach (var node in network.Graph.Nodes)
        {
            foreach (var input in node.Inputs.Distinct())
            {
                if (weights.Remove(input, out var site))
                    QuantizeWeight(site);
            }
            rewriter.AddNode(node);
            foreach (var output in node.Outputs)
                QuantizeActivation(output);
        }
        return rewriter.Build();

        void QuantizeActivation(string value)
        {
            if (activations.TryGetValue(value, out var site))
                Insert(value, new QuantizationRange(site.Bits, signed.Contains(value)), scales[value].Scale().squeeze(0), null);
        }

        void QuantizeWeight(QuantizerSite site)
        {
            var weight = rewriter.Tensor(site.Value);
            var axis = site.Layer!.OutputAxis;
            var range = new QuantizationRange(site.Bits, true);
            var scale = WeightScale(weight);
            if (source is not null && source.TryGetValue(site.Value, out var sourceWeight))
            {
                // What the source has nothing of, or much less, would be clipped.
                var common = WeightScale(sourceWeight.detach());
                scale = torch.where(common.ge(scale / MostChange).logical_and(common.le(scale * MostChange)), common, scale);
            }
            Insert(site.Value, range, perChannel ? scale : scale.squeeze(0), perChannel ? axis : null);

            torch.Tensor WeightScale(torch.Tensor values)
            {
                var observer = options.CreateObserver();
                observer.Observe(perChannel ? values.transpose(0, axis).reshape(values.shape[axis], -1) : values.reshape(1, -1), range);
                return observer.Scale();
            }
        }

        void Insert(string value, QuantizationRange range, torch.Tensor scale, long? axis)
        {
            var scaleName = rewriter.FreshName($"{value}.scale");
            var quantized = rewriter.FreshName($"{value}.quantized");
            rewriter.AddParameter(scaleName, scale, ParameterRole.Weight);
            rewriter.AddNode(new GraphNode(quantized, Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, axis)), [value, scaleName], [quantized]));
            rewriter.Replace(value, quantized);
        }
    }

    private static Dictionary<string, RangeObserver> FindScales(
        Network network, Dictionary<string, QuantizerSite> sites, HashSet<string> signed, IEnumerable<torch.Tensor> batches, Func<RangeObserver> createObserver, CancellationToken cancellationToken)
    {
        var observers = sites.Keys.ToDictionary(name => name, _ => createObserver(), StringComparer.Ordinal);
        Watch(network, batches, (name, value) =>
        {
            // A view of a value keeps it in memory: it must not outlive the value.
            using var scope = torch.NewDisposeScope();
            if (sites.TryGetValue(name, out var site))
                observers[name].Observe(value.reshape(1, -1), new QuantizationRange(site.Bits, signed.Contains(name)));
        }, cancellationToken);
        return observers;
    }

    private static void Watch(Network network, IEnumerable<torch.Tensor> batches, Action<string, torch.Tensor> watch, CancellationToken cancellationToken)
    {
        foreach (var batch in batches)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = torch.NewDisposeScope();
            watch(network.Graph.Inputs[0].Name, batch);
            network.Run([batch], new ComputeContext(ForwardMode.Inference, network.Device) { Watch = watch });
        }
    }
}

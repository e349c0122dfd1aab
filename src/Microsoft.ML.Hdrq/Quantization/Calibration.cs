using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Turns a network in full precision into a quantized one: observes the values on calibration images, chooses ranges
/// and scales, and inserts quantizers into the graph. The result is rounding to nearest (RTN), which reconstruction
/// starts from.
/// </summary>
internal static class Calibration
{
    /// <summary>
    /// The maximum factor between a weight's own scale and the source's scale for the source's scale to be used.
    /// </summary>
    private const double MaxScaleRatio = 2;

    /// <summary>Quantizes a network.</summary>
    /// <param name="network">The network, with its normalizations folded; not changed.</param>
    /// <param name="sites">The places of the quantizers.</param>
    /// <param name="batches">
    /// The calibration images. All of them decide whether the network's input has negative values.
    /// </param>
    /// <param name="options">The calibration options.</param>
    /// <param name="perChannel">Whether a weight has a scale for each output channel.</param>
    /// <param name="cancellationToken">Stops calibration between two batches.</param>
    /// <param name="source">
    /// The source network's weights by name, for scales that all its descendants share; null for each network's own
    /// scales.
    /// </param>
    /// <param name="createObserver">
    /// Creates the observers of activations; null for the observers of the options.
    /// </param>
    /// <returns>The quantized network, owned by the caller.</returns>
    public static Network Apply(
        Network network, IReadOnlyCollection<QuantizerSite> sites, IReadOnlyList<torch.Tensor> batches,
        CalibrationOptions options, bool perChannel, CancellationToken cancellationToken,
        IReadOnlyDictionary<string, torch.Tensor>? source = null, Func<RangeObserver>? createObserver = null)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var activations = sites
            .Where(site => site.Layer is null)
            .ToDictionary(site => site.Value, StringComparer.Ordinal);
        var signed = SignAnalysis.FindSigned(
            network.Graph, network.Parameters, batches.All(batch => batch.min().item<float>() >= 0));
        var scales = FindScales(
            network,
            activations,
            signed,
            batches.Take((CalibrationOptions.MaxImages - 1) / options.BatchSize + 1),
            createObserver ?? options.CreateObserver,
            cancellationToken);

        var rewriter = new GraphRewriter(network);
        var weights = sites
            .Where(site => site.Layer is not null)
            .ToDictionary(site => site.Value, StringComparer.Ordinal);
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
            {
                var range = site.Range(signed.Contains(value));
                Insert(value, range, scales[value].Scale().squeeze(0), null);
            }
        }

        void QuantizeWeight(QuantizerSite site)
        {
            var weight = rewriter.Tensor(site.Value);
            var axis = site.Layer!.OutputAxis;
            var range = site.Range(isSigned: true);
            var scale = WeightScale(weight);
            if (source is not null && source.TryGetValue(site.Value, out var sourceWeight))
            {
                // Where the source's weights are much smaller or zero, its scale would clip.
                var common = WeightScale(sourceWeight.detach());
                var isNear = common.ge(scale.div(Scalars.Keep(MaxScaleRatio)))
                    .logical_and(common.le(scale.mul(Scalars.Keep(MaxScaleRatio))));
                scale = torch.where(isNear, common, scale);
            }
            Insert(site.Value, range, perChannel ? scale : scale.squeeze(0), perChannel ? axis : null);

            torch.Tensor WeightScale(torch.Tensor values)
            {
                var observer = options.CreateObserver();
                var rows = perChannel
                    // Of the second matrix of a product the columns are the outputs: here they become rows in memory.
                    ? values.transpose(0, axis).reshape(values.shape[axis], -1).contiguous()
                    : values.reshape(1, -1);
                observer.Observe(rows, range);
                return observer.Scale();
            }
        }

        void Insert(string value, QuantizationRange range, torch.Tensor scale, long? axis)
        {
            var scaleName = rewriter.FreshName($"{value}.scale");
            var quantized = rewriter.FreshName($"{value}.quantized");
            rewriter.AddParameter(scaleName, scale, ParameterRole.Weight);
            var quantizer = Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, axis));
            rewriter.AddNode(new GraphNode(quantized, quantizer, [value, scaleName], [quantized]));
            rewriter.Replace(value, quantized);
        }
    }

    private static Dictionary<string, RangeObserver> FindScales(
        Network network, Dictionary<string, QuantizerSite> sites, HashSet<string> signed,
        IEnumerable<torch.Tensor> batches, Func<RangeObserver> createObserver, CancellationToken cancellationToken)
    {
        var (seen, images) = (0L, 0L);
        var observers = sites.Keys.ToDictionary(name => name, _ => createObserver(), StringComparer.Ordinal);
        Watch(network, Counted(), (name, value) =>
        {
            // Of a large network a batch takes minutes.
            cancellationToken.ThrowIfCancellationRequested();
            // A view keeps the value in memory, so it must not outlive the value.
            using var scope = torch.NewDisposeScope();
            if (sites.TryGetValue(name, out var site))
            {
                FiniteCheck.Values(value, $"values '{name}'", images, image => seen + image);
                var range = site.Range(signed.Contains(name));
                observers[name].Observe(value.reshape(1, -1), range);
            }
        });
        return observers;

        IEnumerable<torch.Tensor> Counted()
        {
            foreach (var batch in batches)
            {
                images = batch.shape[0];
                yield return batch;
                seen += images;
            }
        }
    }

    private static void Watch(
        Network network, IEnumerable<torch.Tensor> batches, Action<string, torch.Tensor> watch)
    {
        foreach (var batch in batches)
        {
            using var scope = torch.NewDisposeScope();
            watch(network.Graph.Inputs[0].Name, batch);
            network.Run([batch], new ComputeContext(ForwardMode.Inference, network.Device) { Watch = watch });
        }
    }
}

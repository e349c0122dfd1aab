using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Trains a merged network to give, on the images of each site, what the site's own network gives; see
/// <see cref="DistillationOptions"/>.
/// </summary>
internal static class Distillation
{
    /// <summary>What the name of the method ends with in a network that was distilled.</summary>
    public const string Suffix = ", distilled";

    /// <summary>
    /// The most that a step changes weights and steps of quantizers, relative to their root mean square. Adam moves each
    /// value by the rate, however small they are: at a rate of 0.0002 those of a network for pixels of 0 to 255, whose
    /// first layer has weights of 0.002 and steps of 0.00007, or of wide layers would be lost. Relative to their size
    /// Adafactor's steps are too (Shazeer and Stern, ICML 2018).
    /// </summary>
    private const double MostChange = 0.005;

    /// <summary>Trains a copy of a merged network.</summary>
    /// <param name="merged">The merged network.</param>
    /// <param name="sites">The networks to learn from, and their images.</param>
    /// <param name="options">The options.</param>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="cancellationToken">Cancels between two steps.</param>
    /// <param name="held">The outputs at places whose images are elsewhere; null where there are none.</param>
    /// <returns>The trained network, owned by the caller.</returns>
    public static Network Train(
        Network merged, IReadOnlyList<(Network Network, torch.Tensor Images)> sites, DistillationOptions options,
        int seed, CancellationToken cancellationToken, HeldOutputs? held = null)
    {
        using var scope = torch.NewDisposeScope();
        var images = torch.cat([.. sites.Select(site => site.Images)]);
        using var objective = new Objective(sites, options, held, merged.Graph);
        using var trained = FineTuning.Train(
            merged, images, objective, options.Training(merged.Graph, sites.Count, images.shape[0]), ignoredLabel: -1,
            seed, cancellationToken);
        // The training loop computes logits, and knows weights only.
        var distilled = merged.Clone();
        using var noGradients = torch.no_grad();
        foreach (var definition in merged.Graph.Parameters)
            distilled.Parameters[definition.Name].copy_(trained.Parameters[definition.Name]);
        Round(distilled);
        return distilled;
    }

    /// <summary>Puts weights and biases on the grids of their quantizers, where they were in every pass.</summary>
    private static void Round(Network network)
    {
        foreach (var layer in network.Graph.Layers.All.Where(layer => layer.WeightQuantizer is not null))
            network.Parameters[layer.Weight].copy_(layer.Value(network));
        foreach (var bias in IntegerBias.Find(network.Graph))
            bias.Round(network.Parameters);
    }

    /// <summary>The probabilities of the network of the site from which an image comes.</summary>
    private sealed class Objective : TrainingObjective
    {
        private readonly Network[] _teachers;
        private readonly long[] _ends;
        private readonly double _temperature;
        private readonly double _holdWeight;
        private readonly HeldOutputs? _held;
        private readonly IReadOnlySet<string> _scales;
        private readonly HashSet<string> _weights;

        public Objective(
            IReadOnlyList<(Network Network, torch.Tensor Images)> sites, DistillationOptions options, HeldOutputs? held,
            Graph graph)
        {
            (_temperature, _holdWeight, _held, _scales) =
                (options.Temperature, options.HoldWeight, held, graph.Layers.Scales);
            _weights = graph.Layers.All.Select(layer => layer.Weight).ToHashSet(StringComparer.Ordinal);
            _teachers = [.. sites.Select(site => Logits.Copy(site.Network, site.Network.Device))];
            _ends = [.. sites.Select((_, d) => sites.Take(d + 1).Sum(site => site.Images.shape[0]))];
        }

        // Steps that suit one place's activations would cut off another's, and nothing there would hold them.
        public override bool Trains(string weight) => _held is null || !_scales.Contains(weight);

        public override double Rate(string weight, torch.Tensor values, double rate)
        {
            if (!_weights.Contains(weight) && !_scales.Contains(weight))
                return rate;
            using var noGradients = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            return Math.Min(rate, MostChange * Math.Sqrt(values.Squared().mean().item<float>()));
        }

        public override torch.Tensor? Loss(
            Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout)
        {
            // Those of one site after those of another, so that each network sees its own at once.
            var sites = Array.ConvertAll(
                batch.Rows.cpu().data<long>().ToArray(), row => Array.FindIndex(_ends, end => row < end));
            var order = Enumerable.Range(0, sites.Length).OrderBy(i => sites[i]).Select(i => (long)i).ToArray();
            var images = batch.Images.index_select(0, torch.tensor(order, device: batch.Images.device));
            var wanted = new List<torch.Tensor>();
            var start = 0L;
            foreach (var (site, count) in order.CountBy(i => sites[i]))
            {
                wanted.Add(Softened(_teachers[site].Forward(images.narrow(0, start, count))).softmax(1));
                start += count;
            }
            // The square keeps gradients as large as they are without a temperature.
            var loss = UnlabelledLosses
                .SoftCrossEntropy(Softened(network.Forward(images, mode, dropout)), torch.cat(wanted))
                .mul(Scalars.Keep(_temperature * _temperature));
            return _held is null || _holdWeight == 0 ? loss
                : loss.add(_held.Change(network).mul(Scalars.Keep(_holdWeight)), Scalars.One);

            torch.Tensor Softened(torch.Tensor logits) => logits.div(Scalars.Keep(_temperature));
        }

        public override void Identify(JobHash job)
        {
            foreach (var teacher in _teachers)
                job.Add(teacher);
            job.Add(_temperature, _holdWeight, MostChange);
        }

        public override void Dispose()
        {
            foreach (var teacher in _teachers)
                teacher.Dispose();
            base.Dispose();
        }
    }
}

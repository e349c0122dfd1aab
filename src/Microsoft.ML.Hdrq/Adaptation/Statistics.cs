using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// Brings the statistics of a network to the images of a site (Li et al., "Revisiting Batch Normalization for Practical
/// Domain Adaptation", 2016), mixed with the source's by their number (Schneider et al., NeurIPS 2020).
/// </summary>
internal static class Statistics
{
    /// <summary>What the epsilon of folded normalizations was is not known; it is this nearly always.</summary>
    private const double Epsilon = 1e-5;

    /// <summary>
    /// The share of the site's statistics after the first place, relative to that at it. The first one sees the images
    /// as they are, and their scale may be a small part of the source's, which a mixture would not make up for. Behind
    /// it values are much as the source has them, and half of each gives better networks than either.
    /// </summary>
    private const double LaterShare = 0.5;

    /// <summary>Whether a network has statistics that can be brought to a site.</summary>
    public static bool AreIn(Network network)
    {
        using var scope = torch.NewDisposeScope();
        return Normalizations(network).Any() || Recorded(network).Any();
    }

    /// <summary>Which statistics a network has.</summary>
    public static string Describe(Network network)
    {
        using var scope = torch.NewDisposeScope();
        var (own, recorded) = (Normalizations(network).Count(), Recorded(network).Count());
        return (own, recorded) switch
        {
            (0, 0) => "no statistics of the source's images",
            (_, 0) => $"the statistics of {own} batch normalizations",
            (0, _) => $"recorded statistics of {recorded} layers",
            _ => $"the statistics of {own} batch normalizations and recorded ones of {recorded} layers",
        };
    }

    /// <summary>
    /// Measures each normalization's input, or each layer's output, with everything before it brought to the site
    /// already, and replaces mean and variance by the mixture <c>a site + (1 - a) source</c>. Where a normalization is
    /// folded, so that its layer's output y has the source's mean m and variance v, <c>(y - mean) sqrt(v / variance) +
    /// m</c> takes the place of y: scale and shift of the layer. Integers of quantized weights stay as they are.
    /// </summary>
    /// <param name="network">The network, on the device to compute on; not changed.</param>
    /// <param name="images">The site's images, [images, ...].</param>
    /// <param name="share">
    /// The share a of the site's statistics, from 0 to 1, at the first place; half of it at all others.
    /// </param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="seed">The seed of the order of the images: those of a batch must not be of one class.</param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    /// <returns>The network, on the same device, owned by the caller.</returns>
    public static Network Adapt(
        Network network, torch.Tensor images, double share, int batchSize, int seed,
        CancellationToken cancellationToken) =>
        Adapt(network, images, share, batchSize, seed, out _, cancellationToken);

    /// <summary>Does the same, and says how far the site's statistics are from the source's.</summary>
    /// <param name="network">The network, on the device to compute on; not changed.</param>
    /// <param name="images">The site's images, [images, ...].</param>
    /// <param name="share">The share of the site's statistics at the first place.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="seed">The seed of the order of the images.</param>
    /// <param name="difference">
    /// How far the site's statistics are from the source's: the mean over all channels of all places, each place
    /// counting alike, of the symmetric Kullback-Leibler divergence of normal distributions with these statistics,
    /// <c>1/4 (v/w + w/v - 2 + (m - n)^2 (1/v + 1/w))</c> for means m, n and variances v, w.
    /// </param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    public static Network Adapt(
        Network network, torch.Tensor images, double share, int batchSize, int seed, out double difference,
        CancellationToken cancellationToken)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var adapted = network.Clone();
        try
        {
            var places = new Dictionary<string, List<Place>>(StringComparer.Ordinal);
            foreach (var place in Normalizations(adapted).Concat(Recorded(adapted)))
            {
                place.Share = places.Count == 0 ? share : share * LaterShare;
                if (!places.TryGetValue(place.Value, out var list))
                    places.Add(place.Value, list = []);
                list.Add(place);
            }
            var context = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Measure };
            var order = Enumerable.Range(0, (int)images.shape[0]).Select(row => (long)row).ToArray();
            new Random(seed).Shuffle(order);
            foreach (var (start, count) in NetworkBatches.Of(network.Graph, images.shape[0], batchSize))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var batchScope = torch.NewDisposeScope();
                var rows = torch.tensor(order.AsSpan((int)start, (int)count).ToArray(), device: images.device);
                var batch = images.index_select(0, rows).to(network.Device);
                Measure(network.Graph.Inputs[0].Name, batch);
                adapted.Run([batch], context);
            }
            var all = places.Values.SelectMany(list => list).ToList();
            difference = all.Select(place => place.Difference()).DefaultIfEmpty().Average();
            foreach (var place in all)
                place.Finish();
            return adapted;

            void Measure(string name, torch.Tensor value)
            {
                foreach (var place in places.GetValueOrDefault(name) ?? [])
                {
                    using var placeScope = torch.NewDisposeScope();
                    place.Add(value, scope);
                }
            }
        }
        catch
        {
            adapted.Dispose();
            throw;
        }
    }

    private static IEnumerable<Place> Normalizations(Network network) =>
        from node in network.Graph.Nodes
        where node.Operator is BatchNormalization
            && network.Parameters.ContainsKey(node.Inputs[3]) && network.Parameters.ContainsKey(node.Inputs[4])
        select new Normalization(
            node.Inputs[0], network.Parameters[node.Inputs[3]], network.Parameters[node.Inputs[4]]);

    private static IEnumerable<Place> Recorded(Network network)
    {
        var biases = IntegerBias.Find(network.Graph).ToDictionary(bias => bias.Layer);
        return
            from layer in OutputStatistics.Layers(network.Graph)
            let recorded = OutputStatistics.Read(
                network.Metadata, layer.Weight, network.Parameters[layer.Bias!].numel())
            where recorded is not null
            let mean = torch.tensor(recorded.Value.Mean, device: network.Device)
            let variance = torch.tensor(recorded.Value.Variance, device: network.Device)
            select layer.WeightQuantizer is null
                ? new Folded(layer, network.Parameters, mean, variance)
                : new Quantized(
                    layer, network.Parameters, biases.GetValueOrDefault(layer.Node), mean, variance);
    }

    /// <summary>A value whose statistics are brought to the site.</summary>
    /// <param name="value">The name of the value.</param>
    /// <param name="sourceMean">The mean of each channel on the source's images.</param>
    /// <param name="sourceVariance">The variance.</param>
    private abstract class Place(string value, torch.Tensor sourceMean, torch.Tensor sourceVariance)
    {
        private ChannelStatistics? _site;

        public string Value => value;

        /// <summary>The share of the site's statistics.</summary>
        public double Share { get; set; }

        protected torch.Tensor SourceMean { get; } = sourceMean;

        protected torch.Tensor SourceVariance { get; } = sourceVariance;

        /// <summary>Measures a batch, and lets the nodes that read it see it as they will in the end.</summary>
        public void Add(torch.Tensor batch, DisposeScope scope)
        {
            _site ??= new ChannelStatistics(batch.shape[1], batch.device, scope);
            _site.Add(batch);
            Use(batch, Mixed(_site.Mean, SourceMean), Mixed(_site.Variance, SourceVariance));

            torch.Tensor Mixed(torch.Tensor site, torch.Tensor source) => site.mul(Scalars.Keep(Share))
                .add(source.mul(Scalars.Keep(1 - Share)), Scalars.One).to(source.dtype);
        }

        /// <summary>How far the site's statistics are from the source's.</summary>
        public double Difference()
        {
            if (_site is null)
                return 0;
            using var scope = torch.NewDisposeScope();
            var epsilon = Scalars.Keep(Epsilon);
            var (site, source) = (
                _site.Variance.add(epsilon, Scalars.One),
                SourceVariance.to(torch.ScalarType.Float64).add(epsilon, Scalars.One));
            var means = _site.Mean.sub(SourceMean).Squared();
            return site.div(source).add(source.div(site), Scalars.One).sub(Scalars.Keep(2))
                .add(means.div(site), Scalars.One).add(means.div(source), Scalars.One)
                .mean().item<double>() / 4;
        }

        /// <summary>Makes the mixture part of the network.</summary>
        public virtual void Finish()
        {
        }

        protected abstract void Use(torch.Tensor batch, torch.Tensor mean, torch.Tensor variance);
    }

    /// <summary>What a batch normalization reads: it has the mixture as its statistics.</summary>
    private sealed class Normalization(string value, torch.Tensor mean, torch.Tensor variance)
        : Place(value, mean.clone(), variance.clone())
    {
        protected override void Use(torch.Tensor batch, torch.Tensor mixedMean, torch.Tensor mixedVariance)
        {
            mean.copy_(mixedMean);
            variance.copy_(mixedVariance);
        }
    }

    /// <summary>The output of a layer into which a normalization is folded: scaled and shifted.</summary>
    private class Folded(
        Layer layer, IReadOnlyDictionary<string, torch.Tensor> parameters, torch.Tensor mean, torch.Tensor variance)
        : Place(layer.Output, mean, variance)
    {
        private readonly torch.Tensor _mean = mean.clone();

        protected Layer Layer { get; } = layer;

        protected IReadOnlyDictionary<string, torch.Tensor> Parameters { get; } = parameters;

        protected torch.Tensor Weight => Parameters[Layer.Weight];

        protected torch.Tensor Bias => Parameters[Layer.Bias!];

        /// <summary>The factor of each channel.</summary>
        protected torch.Tensor Factor { get; } = torch.ones_like(mean);

        /// <summary>The bias that the layer gets.</summary>
        protected torch.Tensor Shifted => Bias.sub(_mean).mul(Factor).add(SourceMean, Scalars.One);

        /// <summary>Whether the channels can be scaled; else they are shifted only.</summary>
        protected virtual bool Scales => true;

        protected override void Use(torch.Tensor batch, torch.Tensor mixedMean, torch.Tensor mixedVariance)
        {
            _mean.copy_(mixedMean);
            if (Scales)
            {
                Factor.copy_(SourceVariance.add(Scalars.Keep(Epsilon), Scalars.One)
                    .div(mixedVariance.add(Scalars.Keep(Epsilon), Scalars.One)).sqrt());
            }
            long[] perChannel = [1, -1, .. Enumerable.Repeat(1L, (int)batch.dim() - 2)];
            batch.sub_(_mean.reshape(perChannel)).mul_(Factor.reshape(perChannel))
                .add_(SourceMean.reshape(perChannel), Scalars.One);
        }

        public override void Finish()
        {
            var (weightShape, factorShape) =
                Layer.Operator.ByOutputChannel(Weight.shape, Bias.numel())!.Value;
            Weight.copy_(Weight.reshape(weightShape).mul(Factor.reshape(factorShape)).reshape(Weight.shape));
            Bias.copy_(Shifted);
        }
    }

    /// <summary>
    /// The output of a layer with a quantized weight: its integers stay, and their scales take the factors. Where there
    /// is one scale for all channels, the output is shifted only.
    /// </summary>
    private sealed class Quantized(
        Layer layer, IReadOnlyDictionary<string, torch.Tensor> parameters, IntegerBias? integerBias,
        torch.Tensor mean, torch.Tensor variance)
        : Folded(layer, parameters, mean, variance)
    {
        /// <summary>The smallest number that single precision has in full.</summary>
        private const double SmallestScale = 1.17549435e-38;

        private Quantizer Quantizer => Layer.WeightQuantizer!;

        private torch.Tensor Scale => Parameters[Quantizer.Scale];

        protected override bool Scales => Quantizer.Operator.Axis is { } axis
            && HostValues.Axis(axis, Weight.dim()) == Layer.OutputAxis && Scale.numel() == Bias.numel();

        public override void Finish()
        {
            var integers = Quantizer.Operator.Integers(Weight, Scale);
            var scale = Scales ? Scale.mul(Factor.reshape(Scale.shape)) : Scale.clone();
            var bias = Shifted;
            var isInteger = integerBias?.Integers(Parameters) is not null;
            // A channel whose weights are next to nothing stays as it is where its bias would not be an integer.
            var fits = scale.reshape(-1).ge(Scalars.Keep(SmallestScale)).logical_and(bias.isfinite());
            if (isInteger)
                fits = fits.logical_and(integerBias!.Fits(bias, scale, Parameters));
            Bias.copy_(torch.where(fits, bias, Bias));
            if (Scales)
                Scale.copy_(torch.where(fits.reshape(Scale.shape), scale, Scale));
            Weight.copy_(integers.mul(Quantizer.Operator.Spread(Scale, Weight)));
            if (isInteger)
                integerBias!.RoundAtScale(Parameters);
        }
    }
}

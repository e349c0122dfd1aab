using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Gram matrices of the inputs of layers with the noise of <see cref="MomentNoise"/>.</summary>
/// <remarks>
/// An image contributes, for each layer, the matrix A that is the mean of <c>[u x; c][u x; c]^T</c> over its positions,
/// u the inverse of the largest magnitude of the quantizer's range and of the root of the number of inputs, c a
/// constant. All matrices of an image are divided by the same number where their norm, as one vector, is more than a
/// bound C. They are positive semidefinite, so products of two images' matrices are not negative, and replacing one
/// image among n changes the mean by at most <c>sqrt(2) C / n</c>. The noise has that deviation times
/// <see cref="GaussianMechanism.Deviation"/> along every direction of symmetric matrices: off the diagonal, where an
/// element stands twice, it is smaller by <c>sqrt(2)</c>. The network, its ranges with it, counts as known. Positions
/// are drawn without looking at images.
/// </remarks>
internal static class PrivateGrams
{
    /// <summary>
    /// C for one layer; for more it grows with the root of their number. Inputs that fill their range evenly from 0
    /// have a norm of a third.
    /// </summary>
    internal const double Bound = 0.1;

    /// <summary>c, so that constant and inputs count alike.</summary>
    private const double Constant = 0.25;

    /// <summary>Computes the matrices of a quantized network on images, and adds them to its metadata.</summary>
    /// <param name="network">The network; every layer's input has a quantizer.</param>
    /// <param name="images">[images, ...], at least one.</param>
    /// <param name="kind">Whether whole matrices are kept or a few directions.</param>
    /// <param name="noise">The noise.</param>
    /// <param name="cancellationToken">Cancels the computation between two images.</param>
    public static void Collect(
        Network network, torch.Tensor images, MomentsKind kind, MomentNoise noise, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var means = Mean(network, images, cancellationToken);
        var deviation = Sensitivity(means.Count, images.shape[0])
            * GaussianMechanism.Deviation(noise.Epsilon, noise.Delta);
        InputGrams.Store(network, means.Select(layer => KeyValuePair.Create(
            layer.Key.Weight, Encode(AddNoise(layer.Value, deviation), Unit(network, layer.Key), kind))));
    }

    /// <summary>How far replacing one image can change all matrices together.</summary>
    internal static double Sensitivity(int layers, long images) =>
        Math.Sqrt(2) * Bound * Math.Sqrt(layers) / images;

    /// <summary>Refuses a network whose layers' inputs have no bound.</summary>
    /// <exception cref="ArgumentException">A layer's input has no quantizer.</exception>
    internal static void Check(Network network)
    {
        if (network.Graph.Layers.MatrixProducts.FirstOrDefault(layer => layer.InputQuantizer is null) is { } layer)
        {
            throw new ArgumentException(
                $"The inputs of layer '{layer.Name}' are not quantized, and noise on moments needs the range of every "
                + "layer's inputs; place the quantizers for integers, or quantize without "
                + $"{nameof(SentMoments)}.{nameof(SentMoments.Noise)}.");
        }
    }

    /// <summary>The mean of all images' clipped matrices, [inputs + 1, inputs + 1], without noise.</summary>
    internal static Dictionary<Layer, torch.Tensor> Mean(
        Network network, torch.Tensor images, CancellationToken cancellationToken)
    {
        Check(network);
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var count = images.shape[0];
        var layers = network.Graph.Layers.MatrixProducts.ToList();
        var inputs = layers.ToLookup(layer => layer.Input, StringComparer.Ordinal);
        var units = layers.ToDictionary(layer => layer, layer => Unit(network, layer));
        var sums = layers.ToDictionary(
            layer => layer,
            layer => torch.zeros(
                [layer.InputSize + 1, layer.InputSize + 1], torch.ScalarType.Float64, network.Device));
        var bound = Bound * Math.Sqrt(layers.Count);
        var context = new ComputeContext(ForwardMode.Inference, network.Device);
        context.Limit(network.MaxValueSize, 1);
        var positions = new LayerRows(count, context, new Random(0));
        var rows = new Dictionary<Layer, torch.Tensor>();
        var imageScope = scope;
        var watching = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Add };
        // One image at a time: whatever a layer reads in a run is that image's.
        for (long i = 0; i < count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var oneScope = torch.NewDisposeScope();
            imageScope = oneScope;
            rows.Clear();
            var image = images.narrow(0, i, 1).to(network.Device);
            Add(network.Graph.Inputs[0].Name, image);
            network.Run([image], watching);
            foreach (var (layer, own) in rows)
                GramSum.CheckFinite(layer.Name, own);
            var norm = Math.Sqrt(rows.Values.Sum(SquaredNorm));
            var share = Scalars.Keep(Math.Min(1, bound / norm) / count);
            foreach (var (layer, own) in rows)
                sums[layer].add_(own.t().mm(own).mul(share), Scalars.One);
        }
        foreach (var sum in sums.Values)
            sum.MoveToOuterDisposeScope();
        return sums;

        void Add(string name, torch.Tensor value)
        {
            foreach (var layer in inputs[name])
            {
                using var layerScope = torch.NewDisposeScope();
                // Of one image there is one part.
                foreach (var (part, _) in positions.Of(layer, value))
                {
                    var own = part.to(torch.ScalarType.Float64).mul(Scalars.Keep(units[layer]));
                    var constant = torch.full(
                        [own.shape[0], 1], Scalars.Keep(Constant), torch.ScalarType.Float64, own.device);
                    rows.Add(layer, torch.cat([own, constant], 1)
                        .div(Scalars.Keep(Math.Sqrt(own.shape[0])))
                        .MoveToOtherDisposeScope(imageScope));
                }
            }
        }
    }

    /// <summary>The squared Frobenius norm of <c>R^T R</c>.</summary>
    private static double SquaredNorm(torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        // R R^T has the same, and is the smaller one where there are few positions.
        var product = rows.shape[0] < rows.shape[1] ? rows.mm(rows.t()) : rows.t().mm(rows);
        return product.Squared().sum().item<double>();
    }

    /// <summary>u: by what inputs are multiplied, so that their squares sum to at most 1.</summary>
    private static double Unit(Network network, Layer layer)
    {
        using var scope = torch.NewDisposeScope();
        var quantizer = layer.InputQuantizer!;
        var range = quantizer.Operator.Range;
        var scale = network.Parameters[quantizer.Scale].abs().max().to(torch.ScalarType.Float64).item<double>();
        return 1 / (Math.Max(-range.Minimum, range.Maximum) * scale * Math.Sqrt(layer.InputSize));
    }

    /// <summary>A symmetric matrix and noise, of a deviation along every direction of symmetric matrices.</summary>
    internal static torch.Tensor AddNoise(torch.Tensor matrix, double deviation)
    {
        using var scope = torch.NewDisposeScope();
        var size = matrix.shape[0];
        var noise = HostValues.Tensor(GaussianMechanism.Draw(size * size)).reshape(size, size);
        // The sum of two independent elements has twice the variance: halved, half of that of those on the diagonal.
        var symmetric = noise.triu(1).add(noise.triu(1).t(), Scalars.One).div(Scalars.Keep(Math.Sqrt(2)))
            .add(noise.diagonal().diag(), Scalars.One);
        return matrix.cpu().add(symmetric.mul(Scalars.Keep(deviation)), Scalars.One).MoveToOuterDisposeScope();
    }

    /// <summary>Makes means and a covariance of a noisy matrix, and encodes them.</summary>
    private static string Encode(torch.Tensor noisy, double unit, MomentsKind kind)
    {
        using var scope = torch.NewDisposeScope();
        var size = noisy.shape[0] - 1;
        // The element of the constant alone is known.
        var mean = noisy.narrow(0, 0, size).select(1, size).div(Scalars.Keep(Constant));
        var covariance = noisy.narrow(0, 0, size).narrow(1, 0, size).sub(mean.outer(mean));
        var (values, vectors) = torch.linalg.eigh(covariance);
        // No variance is negative: what noise made so is cut. The largest eigenvalues are the last.
        var factor = vectors.mul(values.clamp_min(Scalars.Keep(0.0)).sqrt()).div(Scalars.Keep(unit));
        mean = mean.div(Scalars.Keep(unit));
        if (kind == MomentsKind.Whole)
            return InputGram.Whole(mean, factor.mm(factor.t())).EncodeWhole();
        var kept = Math.Min(InputGrams.Rank, size);
        return InputGram.Of(mean, factor.Squared().sum(1), factor.narrow(1, size - kept, kept)).Encode();
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The data on which networks are measured: images, and the class of each image or of each pixel.</summary>
/// <param name="Images">[images, ...], in host memory.</param>
/// <param name="Labels">
/// Zero-based classes, [images] or [images, ...]; <see cref="Evaluation.Ignored"/> where there is none.
/// </param>
/// <param name="BatchSize">The number of images that are computed together.</param>
internal sealed record Evaluation(torch.Tensor Images, torch.Tensor Labels, int BatchSize)
{
    /// <summary>The label of images or pixels that are not counted.</summary>
    public const long Ignored = -1;

    public long Count => Images.shape[0];

    /// <inheritdoc cref="NetworkBatches.Of"/>
    public IEnumerable<(long Start, long Count)> Batches(Graph graph) => NetworkBatches.Of(graph, Count, BatchSize);

    /// <summary>The loss of scores, averaged over the images or pixels that have a label.</summary>
    public static torch.Tensor CrossEntropy(torch.Tensor scores, torch.Tensor labels) =>
        torch.nn.functional.cross_entropy(scores, labels, ignore_index: Ignored);

    /// <summary>
    /// The mean entropy of a network's predictions, in nats, over images or pixels. It needs no labels.
    /// </summary>
    public double Entropy(Network network, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var logarithms = NetworkBatches.Scores(network, Images, BatchSize, cancellationToken).log_softmax(1);
        FiniteCheck.Values(logarithms, "scores", Count, image => image);
        return -logarithms.exp().mul(logarithms).sum(1).mean().item<float>();
    }

    /// <summary>
    /// Measures the mean cross-entropy and top-1 accuracy of a network, over pixels where pixels have labels.
    /// </summary>
    /// <inheritdoc cref="MeasureImages" path="/param"/>
    public (double Loss, double Accuracy) Measure(
        Network network, Func<FakeQuantize, RoundingScheme>? rounding, Action<int, string, torch.Tensor>? watch,
        CancellationToken cancellationToken)
    {
        var total = ImageLoss.Total(MeasureImages(network, rounding, watch, cancellationToken));
        return total.Labels == 0 ? throw new ArgumentException("No image has a label.") : total.Mean;
    }

    /// <summary>Measures each image that has a label, or a pixel with one, in order.</summary>
    /// <param name="network">The network.</param>
    /// <param name="rounding">How each quantizer rounds; null for rounding to nearest.</param>
    /// <param name="watch">
    /// Receives the index of each batch, and the names and values computed in it; may be null.
    /// </param>
    /// <param name="cancellationToken">Ends the measurement between two batches.</param>
    /// <exception cref="InvalidOperationException">
    /// The loss of an image is not finite; the message names it.
    /// </exception>
    public IReadOnlyList<ImageLoss> MeasureImages(
        Network network, Func<FakeQuantize, RoundingScheme>? rounding, Action<int, string, torch.Tensor>? watch,
        CancellationToken cancellationToken)
    {
        var (images, batch) = (new List<ImageLoss>(), 0);
        foreach (var (start, count) in Batches(network.Graph))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = torch.NewDisposeScope();
            var index = batch++;
            var context = new ComputeContext(ForwardMode.Inference, network.Device)
            {
                Rounding = rounding ?? (_ => NearestRounding.Instance),
                Watch = watch is null ? null : (name, value) => watch(index, name, value),
            };
            var scores = network.Run([Images.narrow(0, start, count)], context)[0];
            var labels = Labels.narrow(0, start, count).to(network.Device);
            var known = labels.ne(Scalars.Keep(Ignored));
            var losses = torch.nn.functional.cross_entropy(
                scores, labels, ignore_index: Ignored, reduction: torch.nn.Reduction.None);
            FiniteCheck.Values(losses, "losses", count, image => start + image);
            var right = scores.argmax(1).eq(labels).logical_and(known);
            images.AddRange(Sums(losses).Zip(Sums(right), Sums(known))
                .Where(sums => sums.Third > 0)
                .Select(sums => new ImageLoss(sums.First, (long)sums.Second, (long)sums.Third)));
        }
        return images;

        static double[] Sums(torch.Tensor values) =>
            values.reshape(values.shape[0], -1).sum(1, type: torch.ScalarType.Float64).cpu().data<double>().ToArray();
    }
}

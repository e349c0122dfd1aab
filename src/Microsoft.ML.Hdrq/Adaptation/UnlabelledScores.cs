using System.Text.Json.Serialization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>What can be said about a network on a domain without labels.</summary>
public sealed record UnlabelledScores
{
    /// <summary>The most images, or pixels of all images, that are compared with each other.</summary>
    private const int MaxCompared = 2048;

    /// <summary>
    /// The temperature of the neighborhood density (Saito et al., ICCV 2021).
    /// </summary>
    private const double Temperature = 0.05;

    [JsonConstructor]
    internal UnlabelledScores(
        double meanEntropy, double classEntropy, double neighborhoodDensity, double sourceAgreement)
    {
        MeanEntropy = meanEntropy;
        ClassEntropy = classEntropy;
        NeighborhoodDensity = neighborhoodDensity;
        SourceAgreement = sourceAgreement;
    }

    /// <summary>The mean entropy of each image's probabilities, in nats; low where the network is sure.</summary>
    public double MeanEntropy { get; }

    /// <summary>
    /// The entropy of the mean of all probabilities, in nats: at most the logarithm of the number of classes, where the
    /// network finds all of them equally often.
    /// </summary>
    public double ClassEntropy { get; }

    /// <summary>
    /// The mutual information of images and classes, <see cref="ClassEntropy"/> less <see cref="MeanEntropy"/>; high
    /// where the network is sure of many different classes.
    /// </summary>
    [JsonIgnore]
    public double Information => ClassEntropy - MeanEntropy;

    /// <summary>
    /// The soft neighborhood density (Saito et al., ICCV 2021), in nats: high where images have many others near them,
    /// as in clusters.
    /// </summary>
    public double NeighborhoodDensity { get; }

    /// <summary>The share of the images, or pixels, for which the source network finds the same class.</summary>
    public double SourceAgreement { get; }

    /// <summary>Computes the scores.</summary>
    /// <param name="probabilities">The network's probabilities, [images, classes].</param>
    /// <param name="source">Those of the source network for the same images.</param>
    internal static UnlabelledScores Of(torch.Tensor probabilities, torch.Tensor source)
    {
        using var scope = torch.NewDisposeScope();
        var logs = probabilities.clamp_min(Scalars.Keep(1e-12)).log();
        var mean = probabilities.mean([0]);
        return new(
            -Number(probabilities.mul(logs).sum(1).mean()),
            -Number(mean.mul(mean.clamp_min(Scalars.Keep(1e-12)).log()).sum()),
            Density(probabilities),
            Agreement(probabilities, source));
    }

    /// <summary>The share of the images that are of the same class for two networks.</summary>
    internal static double Agreement(torch.Tensor probabilities, torch.Tensor others)
    {
        using var scope = torch.NewDisposeScope();
        return Number(probabilities.argmax(1).eq(others.argmax(1)).to(torch.ScalarType.Float64).mean());
    }

    private static double Number(torch.Tensor scalar) => scalar.to(torch.ScalarType.Float64).item<double>();

    /// <summary>
    /// The mean entropy of each image's similarities to all others: the softmax of cosines of probabilities.
    /// </summary>
    private static double Density(torch.Tensor probabilities)
    {
        var count = Math.Min(MaxCompared, probabilities.shape[0]);
        if (count < 2)
            return 0;
        var rows = torch.tensor(
            Enumerable.Range(0, (int)count).Select(i => i * probabilities.shape[0] / count).ToArray(),
            device: probabilities.device);
        var directions = torch.nn.functional.normalize(probabilities.index_select(0, rows), p: 2, dim: 1);
        var itself = torch.eye(count, dtype: torch.ScalarType.Bool, device: probabilities.device);
        var cosines = directions.matmul(directions.t()).div(Scalars.Keep(Temperature))
            .masked_fill(itself, Scalars.Keep(float.NegativeInfinity));
        var similarities = cosines.softmax(1);
        return -Number(similarities.mul(similarities.clamp_min(Scalars.Keep(1e-12)).log()).sum(1).mean());
    }

    /// <summary>
    /// The probabilities that a network gives images, [images, classes], or a sample of pixels, [pixels, classes].
    /// </summary>
    /// <param name="network">The network; it gives logits.</param>
    /// <param name="images">The images.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="cancellationToken">Cancels between two batches.</param>
    internal static torch.Tensor Probabilities(
        Network network, torch.Tensor images, int batchSize, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var all = new List<torch.Tensor>();
        foreach (var (start, count) in NetworkBatches.Of(network.Graph, images.shape[0], batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = torch.NewDisposeScope();
            var probabilities = network.Forward(images.narrow(0, start, count)).softmax(1);
            if (probabilities.dim() > 2)
            {
                // The same places of every image, apart from each other.
                var pixels = probabilities.flatten(2);
                var step = Math.Max(1, pixels.shape[2] * images.shape[0] / MaxCompared);
                var places = torch.arange(
                    Scalars.Keep(step / 2), Scalars.Keep(pixels.shape[2]), Scalars.Keep(step), device: pixels.device);
                probabilities = pixels.index_select(2, places).transpose(1, 2).flatten(0, 1);
            }
            all.Add(probabilities.MoveToOtherDisposeScope(scope));
        }
        return torch.cat(all).MoveToOuterDisposeScope();
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Passes of a network over many images, some at a time.</summary>
internal static class NetworkBatches
{
    /// <summary>Where batches start, and how many images they have. Networks for a fixed batch are given whole ones only.</summary>
    /// <param name="graph">The network's graph.</param>
    /// <param name="count">The number of images.</param>
    /// <param name="batchSize">Images in a batch where the graph takes any number.</param>
    /// <exception cref="ArgumentException">There are fewer images than in the network's batch.</exception>
    public static IEnumerable<(long Start, long Count)> Of(Graph graph, long count, int batchSize)
    {
        var isFixed = graph.Inputs[0].Shape[0] > 0;
        var size = isFixed ? graph.Inputs[0].Shape[0] : batchSize;
        if (isFixed && count < size)
            throw new ArgumentException($"The network takes batches of {size} images, and there are {count}.");
        for (long start = 0; start < count; start += size)
        {
            if (isFixed && start + size > count)
                break;
            yield return (start, Math.Min(size, count - start));
        }
    }

    /// <summary>All scores of a network, a new tensor on its device.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">The images, [images, ...], on any device.</param>
    /// <param name="batchSize">Images that are computed together.</param>
    /// <param name="cancellationToken">Ends the passes between two batches.</param>
    public static torch.Tensor Scores(
        Network network, torch.Tensor images, int batchSize, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var scores = new List<torch.Tensor>();
        foreach (var (start, count) in Of(network.Graph, images.shape[0], batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            scores.Add(network.Forward(images.narrow(0, start, count)));
        }
        return torch.cat(scores).MoveToOuterDisposeScope();
    }
}

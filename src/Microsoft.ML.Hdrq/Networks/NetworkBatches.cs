using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Runs a network over many images in batches.</summary>
internal static class NetworkBatches
{
    /// <summary>
    /// The number of rows that a network takes at once; null if it takes any number. Only graphs that cannot be
    /// computed on another number have one, see <see cref="Passes.FreeBatch"/>.
    /// </summary>
    public static long? FixedSize(Graph graph) =>
        graph.Inputs[0].Shape is [> 0 and var size, ..] ? size : null;

    /// <summary>The start and the size of each batch. Networks with a fixed batch size get full batches only.</summary>
    /// <param name="graph">The network's graph.</param>
    /// <param name="count">The number of images.</param>
    /// <param name="batchSize">The number of images in a batch, where the graph takes any number.</param>
    /// <exception cref="ArgumentException">There are fewer images than the network's fixed batch size.</exception>
    public static IEnumerable<(long Start, long Count)> Of(Graph graph, long count, int batchSize)
    {
        var isFixed = FixedSize(graph) is not null;
        var size = FixedSize(graph) ?? batchSize;
        if (isFixed && count < size)
            throw new ArgumentException($"The network takes batches of {size} images, and there are {count}.");
        for (long start = 0; start < count; start += size)
        {
            if (isFixed && start + size > count)
                break;
            yield return (start, Math.Min(size, count - start));
        }
    }

    /// <summary>Computes all scores of a network, a new tensor on its device.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">The images, [images, ...], on any device.</param>
    /// <param name="batchSize">The number of images in a batch.</param>
    /// <param name="cancellationToken">Cancels the passes between two batches.</param>
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

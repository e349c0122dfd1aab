using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Reconstructs a quantized network block by block. The inputs of a block, of the network quantized so far and of the network in full precision, are carried on from
/// the block before, so that the whole costs as much as the network is deep.
/// </summary>
internal static class Reconstruction
{
    /// <summary>Trains all blocks, in place.</summary>
    /// <param name="network">The network with its quantizers, as calibration left it; its weights and scales change.</param>
    /// <param name="images">The calibration images, [images, ...], on the device where they are to be kept between blocks.</param>
    /// <param name="source">The source network's weights by name; empty for no distance term.</param>
    /// <param name="settings">How a block is trained.</param>
    /// <param name="seed">The seed of everything random.</param>
    /// <param name="progress">Told of the block, the number of blocks, the step and its loss.</param>
    /// <param name="cancellationToken">Ends training between two steps.</param>
    public static void Apply(
        Network network, torch.Tensor images, IReadOnlyDictionary<string, torch.Tensor> source, ReconstructionSettings settings, int seed, Action<Block, int, int, float>? progress, CancellationToken cancellationToken)
    {
        var random = new Random(seed);
        var blocks = BlockPartition.Find(network.Graph);
        var (quantized, exact) = (images.alias().DetachFromDisposeScope(), images.alias().DetachFromDisposeScope());
        try
        {
            for (var b = 0; b < blocks.Length; b++)
            {
                var block = blocks[b];
                using var scope = torch.NewDisposeScope();
                using var original = Part(network, block);
                var targets = Compute(original, exact, settings.BatchSize, BypassRounding.Instance);
                using (var training = new BlockReconstruction(network, block, source, settings, random.Next()))
                {
                    training.Train(quantized, exact, targets, progress is null ? null : (step, loss) => progress(block, b, step, loss), cancellationToken);
                    training.CopyTo(network);
                }
                using var trained = Part(network, block);
                var outputs = Compute(trained, quantized, settings.BatchSize, NearestRounding.Instance);
                quantized.Dispose();
                exact.Dispose();
                (quantized, exact) = (outputs.DetachFromDisposeScope(), targets.DetachFromDisposeScope());
            }
        }
        finally
        {
            quantized.Dispose();
            exact.Dispose();
        }
    }

    private static Network Part(Network network, Block block) =>
        Subgraph.Extract(network, block.Nodes, block.Input, block.Output, (_, tensor) => tensor.detach().clone());

    /// <summary>A block's output for all images, where its inputs are kept.</summary>
    private static torch.Tensor Compute(Network block, torch.Tensor inputs, int batchSize, RoundingScheme rounding)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var context = new ComputeContext(ForwardMode.Inference, block.Device) { Rounding = _ => rounding };
        var outputs = new List<torch.Tensor>();
        for (long start = 0; start < inputs.shape[0]; start += batchSize)
            outputs.Add(block.Run([inputs.narrow(0, start, Math.Min(batchSize, inputs.shape[0] - start))], context)[0].to(inputs.device));
        return torch.cat(outputs).MoveToOuterDisposeScope();
    }
}

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
    /// <param name="progress">Told of every step.</param>
    /// <param name="cancellationToken">Ends training between two steps.</param>
    public static void Apply(
        Network network, torch.Tensor images, IReadOnlyDictionary<string, torch.Tensor> source, ReconstructionSettings settings, int seed, IProgress<QuantizationProgress>? progress, CancellationToken cancellationToken)
    {
        var random = new Random(seed);
        var blocks = BlockPartition.Find(network.Graph, settings.IsLayerByLayer);
        var units = Array.ConvertAll([.. blocks], block => settings.IsLayerByLayer ? [.. LayerPartition.Find(network.Graph, block)] : new[] { block });
        var count = units.Sum(parts => parts.Length);
        var index = 0;
        var (quantized, exact) = (images.alias().DetachFromDisposeScope(), images.alias().DetachFromDisposeScope());
        try
        {
            for (var b = 0; b < blocks.Length; b++)
            {
                var block = blocks[b];
                using var scope = torch.NewDisposeScope();
                using var original = Part(network, block);
                var targets = Compute(original, exact, settings.BatchSize, BypassRounding.Instance);
                foreach (var unit in units[b])
                {
                    using var unitScope = torch.NewDisposeScope();
                    Train(original, block, unit, targets);
                    index++;
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

        void Train(Network original, Block block, Block unit, torch.Tensor targets)
        {
            var (quantizedInputs, exactInputs, unitTargets) = (quantized, exact, targets);
            if (unit != block)
            {
                var before = LayerPartition.UpTo(network.Graph, block, unit.Input);
                quantizedInputs = Values(network, before, quantized, NearestRounding.Instance);
                exactInputs = Values(original, before, exact, BypassRounding.Instance);
                unitTargets = Values(original, unit, exactInputs, BypassRounding.Instance);
            }
            using var training = new BlockReconstruction(network, unit, source, settings, random.Next());
            training.Train(quantizedInputs, exactInputs, unitTargets, progress is null ? null : Report, cancellationToken);
            training.CopyTo(network);

            void Report(int step, float loss) => progress.Report(new QuantizationProgress(unit.Name, index, count, step, settings.Iterations, loss));
        }

        torch.Tensor Values(Network whole, Block part, torch.Tensor inputs, RoundingScheme rounding)
        {
            if (part.Input == part.Output)
                return inputs;
            using var network = Part(whole, part);
            return Compute(network, inputs, settings.BatchSize, rounding);
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

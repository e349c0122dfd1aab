using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Reconstructs a quantized network block by block. Both inputs of a block, from the network quantized so far and from
/// the network in full precision, are computed from the block before, so that the total cost is linear in the network's
/// depth. Inputs that later blocks also read are kept until then. The kept values stay within a memory limit.
/// </summary>
internal static class Reconstruction
{
    /// <summary>Trains all blocks, in place.</summary>
    /// <param name="network">The network with its quantizers after calibration; its weights and scales change.</param>
    /// <param name="images">
    /// The calibration images, [images, ...], on the device that is to hold them between blocks.
    /// </param>
    /// <param name="source">The source network's weights by name; empty for no distance term.</param>
    /// <param name="training">How a block is trained.</param>
    /// <param name="calibration">The options that say where activations are kept.</param>
    /// <param name="seed">The seed of all random choices.</param>
    /// <param name="progress">Receives a report after every step.</param>
    /// <param name="cancellationToken">Stops training between two steps.</param>
    /// <param name="checkpoints">Keeps finished blocks; null for none.</param>
    public static void Apply(
        Network network, torch.Tensor images, IReadOnlyDictionary<string, torch.Tensor> source, BlockTraining training,
        CalibrationOptions calibration, int seed, IProgress<QuantizationProgress>? progress,
        CancellationToken cancellationToken, BlockCheckpoints? checkpoints = null)
    {
        var random = new Random(seed);
        checkpoints ??= BlockCheckpoints.None;
        var cacheDirectory = calibration.CacheDirectory ?? Path.GetTempPath();
        var rows = RowValues.Find(network, images);
        var blocks = BlockPartition.Find(network.Graph, training.IsLayerByLayer, rows);
        var units = Array.ConvertAll([.. blocks], block => training.IsLayerByLayer
            ? [.. LayerPartition.Find(network.Graph, block, rows)]
            : new[] { block });
        var count = units.Sum(parts => parts.Length);
        var index = 0;
        var isPinned = TorchRuntime.Fetches(network.Device) && images.device_type == DeviceType.CPU;
        using var store = new ActivationStore(images.device, calibration.CacheMemory, cacheDirectory, isPinned);
        using var quantized = new CarriedValues(blocks);
        using var exact = new CarriedValues(blocks);
        quantized.Add(network.Graph.Inputs[0].Name, ActivationCache.Of(images));
        exact.Add(network.Graph.Inputs[0].Name, ActivationCache.Of(images));
        var shapes = InnerShapes(network, blocks, rows);
        quantized.AddShapes(shapes, images.shape[0]);
        exact.AddShapes(shapes, images.shape[0]);
        for (var b = 0; b < blocks.Length; b++)
        {
            var block = blocks[b];
            using var scope = torch.NewDisposeScope();
            using var original = Part(network, block);
            var targets = store.Compute(original, exact.Of(block), training.BatchSize, BypassRounding.Instance);
            foreach (var unit in units[b])
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var unitScope = torch.NewDisposeScope();
                // A block whose layers all stay in floating point has nothing to learn.
                if (unit.Nodes.Any(node => node.Operator is FakeQuantize))
                {
                    var unitSeed = random.Next();
                    if (!checkpoints.Restore(network, unit, index))
                    {
                        if (unit == block)
                            Train(unit, new BlockData(quantized.Of(block), exact.Of(block), targets), unitSeed);
                        else
                            TrainPart(original, block, unit, unitSeed);
                        checkpoints.Save(network, unit, index);
                    }
                }
                index++;
            }
            // Values that are no longer needed are disposed first, to make room for new ones.
            exact.Add(block.Output, targets);
            exact.Forget(b);
            using var trained = Part(network, block);
            quantized.Add(
                block.Output,
                store.Compute(trained, quantized.Of(block), training.BatchSize, NearestRounding.Instance));
            quantized.Forget(b);
        }

        void Train(Block unit, BlockData data, int unitSeed)
        {
            using var reconstruction = new BlockReconstruction(network, unit, source, training, unitSeed);
            reconstruction.Train(data, progress is null ? null : Report, cancellationToken);
            reconstruction.CopyTo(network);

            void Report(int step, float loss) =>
                progress.Report(new QuantizationProgress(unit.Name, index, count, step, training.Iterations, loss));
        }

        void TrainPart(Network original, Block block, Block unit, int unitSeed)
        {
            using var partStore = new ActivationStore(images.device, store.Free, cacheDirectory, isPinned);
            var before = unit.Inputs.Select(value => LayerPartition.UpTo(network.Graph, block, value)).ToList();
            var exactInputs = before.ConvertAll(part =>
                Values(partStore, original, part, exact, BypassRounding.Instance));
            using var exactUnit = Part(original, unit);
            var targets = partStore.Compute(exactUnit, exactInputs, training.BatchSize, BypassRounding.Instance);
            var quantizedInputs = before.ConvertAll(part =>
                Values(partStore, network, part, quantized, NearestRounding.Instance));
            Train(unit, new BlockData(quantizedInputs, exactInputs, targets), unitSeed);
        }

        ActivationCache Values(
            ActivationStore partStore, Network whole, Block part, CarriedValues values, RoundingScheme rounding)
        {
            if (part.Nodes.IsEmpty)
                return values.Of(part.Output);
            using var network = Part(whole, part);
            return partStore.Compute(network, values.Of(part), training.BatchSize, rounding);
        }
    }

    /// <summary>
    /// Finds the shapes, without the batch dimension, of values inside blocks whose shape other blocks read.
    /// </summary>
    private static Dictionary<string, long[]> InnerShapes(
        Network network, ImmutableArray<Block> blocks, RowValues rows)
    {
        var borders = blocks.Select(block => block.Output).Append(network.Graph.Inputs[0].Name);
        return blocks
            .SelectMany(block => block.Inputs.Where(block.ReadsOnlyShape))
            .Except(borders, StringComparer.Ordinal)
            .ToDictionary(value => value, rows.Shape, StringComparer.Ordinal);
    }

    private static Network Part(Network network, Block block) =>
        Subgraph.Extract(network, block.Nodes, block.Inputs, block.Output, (_, tensor) => tensor.detach().clone());
}

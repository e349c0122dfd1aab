using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Keeps the parameters of each block, or layer, that is trained. Together they are as large as the network. Blocks are
/// taken over in their order up to the first one that is missing: a parameter that several blocks share has after each
/// of them the value that it had then.
/// </summary>
internal sealed class BlockCheckpoints
{
    private readonly CheckpointStore? _store;
    private bool _isMissing;

    private BlockCheckpoints(CheckpointStore? store) => _store = store;

    /// <summary>No checkpoints.</summary>
    public static BlockCheckpoints None => new(null);

    /// <summary>The checkpoints of one reconstruction.</summary>
    /// <param name="directory">The folder; null for none.</param>
    /// <param name="network">The network before its first block is trained.</param>
    /// <param name="images">The calibration images.</param>
    /// <param name="source">The source network's weights by name.</param>
    /// <param name="training">How a block is trained.</param>
    /// <param name="allowTf32">Whether GPUs may use TF32.</param>
    /// <param name="seed">The seed of all random choices.</param>
    /// <param name="warn">Told once that nothing can be written; null if nobody asks.</param>
    public static BlockCheckpoints Open(
        string? directory, Network network, torch.Tensor images, IReadOnlyDictionary<string, torch.Tensor> source,
        BlockTraining training, bool allowTf32, int seed, Action<string>? warn) => new(CheckpointStore.Open(
            directory,
            () => new JobHash("blocks").Add(
                network,
                images,
                source.OrderBy(weight => weight.Key, StringComparer.Ordinal).SelectMany(
                    weight => new object[] { weight.Key, weight.Value }),
                training,
                // AdaRound and BRECQ differ in nothing else.
                training.IsLayerByLayer,
                training.WeightRate,
                allowTf32,
                seed),
            warn));

    /// <summary>Takes over a block that was trained before, in place.</summary>
    /// <returns>Whether it was.</returns>
    public bool Restore(Network network, Block block, int index)
    {
        if (_store is null || _isMissing)
            return false;
        _isMissing = !_store.TryRead(Part(index), reader =>
        {
            var copy = reader.ReadParameters(network, Names(block));
            return () => copy(network);
        });
        return !_isMissing;
    }

    /// <summary>Keeps a block that has been trained.</summary>
    public void Save(Network network, Block block, int index) =>
        _store?.Write(Part(index), writer => writer.WriteParameters(network, Names(block)));

    private static string Part(int index) => $"block-{index}";

    private static IEnumerable<string> Names(Block block) => block.Nodes.SelectMany(node => node.Inputs);
}

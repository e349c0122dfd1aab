using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// Scores with a copy of a network whose weights have the memory layout that is fastest on the device.
/// </summary>
internal sealed class TorchEngine(Network network) : ScoringEngine
{
    private readonly Network _network = Arrange(network);

    public override torch.Tensor Forward(torch.Tensor batch) => _network.Forward(batch);

    public override void Dispose() => _network.Dispose();

    /// <summary>
    /// On CPUs, Torch's convolutions of batches are fastest with channels last. A convolution whose weight has channels
    /// last gives an output with channels last.
    /// </summary>
    private static Network Arrange(Network network)
    {
        if (network.Device.type != DeviceType.CPU)
            return network.Clone();
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var weights = network.Graph.Nodes
            .Where(node => node.Operator is Convolution)
            .Select(node => node.Inputs[1])
            .ToHashSet(StringComparer.Ordinal);
        return new Network(network.Graph, network.Parameters.ToDictionary(
            pair => pair.Key,
            pair => weights.Contains(pair.Key) && pair.Value.dim() == 4
                ? pair.Value.detach().permute(0, 2, 3, 1).clone().contiguous().permute(0, 3, 1, 2)
                : pair.Value.detach().clone()))
        { MaxValueSize = network.MaxValueSize };
    }
}

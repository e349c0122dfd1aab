using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// TENT: scale and shift of the normalizations learn to make the network decided (Wang et al., "Tent: Fully Test-Time
/// Adaptation by Entropy Minimization", ICLR 2021).
/// </summary>
internal sealed class EntropyObjective : TrainingObjective
{
    private readonly HashSet<string> _trained;

    /// <summary>Finds the normalizations.</summary>
    public EntropyObjective(Graph graph) => _trained = ScalesAndShifts(graph);

    /// <summary>Checks that a network can be adapted.</summary>
    /// <exception cref="ArgumentException">It has no normalizations.</exception>
    public static void Check(Graph graph)
    {
        var trained = ScalesAndShifts(graph);
        if (!graph.Parameters.Any(
            parameter => parameter.Role == ParameterRole.Weight && trained.Contains(parameter.Name)))
        {
            throw new ArgumentException(
                $"{nameof(AdaptationMethod.Entropy)} trains scale and shift of normalizations, and the network has "
                + $"none, or has them folded into its layers; {nameof(AdaptationMethod.Shot)} does not need them.");
        }
    }

    private static HashSet<string> ScalesAndShifts(Graph graph) => graph.Nodes
        .Where(node => node.Operator.Traits.HasFlag(OperatorTraits.Normalizes))
        .SelectMany(node => node.Inputs.Skip(1).Take(2))
        .ToHashSet(StringComparer.Ordinal);

    public override ForwardMode Mode => ForwardMode.Training;

    public override bool Trains(string weight) => _trained.Contains(weight);

    public override torch.Tensor? Loss(
        Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout) =>
        batch.Images.shape[0] < 2 ? null : UnlabelledLosses.MeanEntropy(network.Forward(batch.Images, mode, dropout));
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Batch normalization. Inputs: data [N, C, ...], scale, bias, running mean, running variance, each [C].
/// </summary>
internal sealed class BatchNormalization : Operator
{
    public BatchNormalization(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        Epsilon = attributes.Float("epsilon", 1e-5f);
        Momentum = attributes.Float("momentum", 0.9f);
        if (attributes.Integer("training_mode", 0) != 0)
        {
            throw new InvalidDataException(
                "Attribute 'training_mode' is 1: the network was exported for training. "
                + "Export it in evaluation mode.");
        }
    }

    public float Epsilon { get; }

    /// <summary>The weight of the old statistic; Torch's momentum is the weight of the new one.</summary>
    public float Momentum { get; }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
    [
        torch.nn.functional.batch_norm(
            inputs[0]!,
            inputs[3]!,
            inputs[4]!,
            inputs[1],
            inputs[2],
            context.Mode == ForwardMode.Training,
            1 - Momentum,
            Epsilon),
    ];
}

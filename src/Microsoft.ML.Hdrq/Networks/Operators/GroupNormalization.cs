using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Normalizes each sample over groups of channels and all spatial dimensions. InstanceNormalization has one channel per
/// group. Inputs: data [N, C, ...], scale [C], bias [C].
/// </summary>
internal sealed class GroupNormalization : Operator
{
    private readonly long? _groups;
    private readonly float _epsilon;

    public GroupNormalization(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _epsilon = attributes.Float("epsilon", 1e-5f);
        if (type == "InstanceNormalization")
            return;
        _groups = attributes.Integer("num_groups", 0);
        if (_groups <= 0)
            throw new InvalidDataException("GroupNormalization needs the attribute 'num_groups', a positive number.");
        if (attributes.Integer("stash_type", 1) is var stash and not 1)
        {
            throw new InvalidDataException(
                $"Attribute 'stash_type' is {stash}; only 1 (single precision) is supported.");
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [torch.nn.functional.group_norm(inputs[0]!, _groups ?? inputs[0]!.shape[1], inputs[1], inputs[2], _epsilon)];
}

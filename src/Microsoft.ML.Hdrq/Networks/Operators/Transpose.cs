using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The same elements with dimensions in another order, by default reversed.</summary>
internal sealed class Transpose : Operator
{
    private readonly long[]? _order;

    public Transpose(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        if (attributes.Integers("perm") is not { IsDefault: false } order)
            return;
        _order = [.. order];
        attributes.Record("perm", Reversed(order.Length).SequenceEqual(order));
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [inputs[0]!.permute(_order ?? Reversed((int)inputs[0]!.dim()))];

    private static long[] Reversed(int rank) => [.. Enumerable.Range(0, rank).Reverse().Select(axis => (long)axis)];
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The same elements with dimensions in another order, by default reversed.</summary>
internal sealed class Transpose(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    private readonly long[]? _order = attributes.Integers("perm") is { IsDefault: false } order ? [.. order] : null;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [inputs[0]!.permute(_order ?? [.. Enumerable.Range(0, (int)inputs[0]!.dim()).Reverse().Select(axis => (long)axis)])];
}

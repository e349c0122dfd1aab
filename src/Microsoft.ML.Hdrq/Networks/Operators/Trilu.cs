using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The upper or lower triangle of matrices, with zeros elsewhere. An optional second input shifts the diagonal.
/// </summary>
internal sealed class Trilu(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    private readonly bool _upper = attributes.Integer("upper", 1) != 0;

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var diagonal = inputs.Optional(1) is { } input ? HostValues.Integer(input) : 0;
        return [_upper ? inputs[0]!.triu(diagonal) : inputs[0]!.tril(diagonal)];
    }
}

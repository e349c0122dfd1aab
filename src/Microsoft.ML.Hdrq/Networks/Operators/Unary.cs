using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>An operator without attributes that maps each element.</summary>
internal sealed class Unary(
    string type,
    OperatorAttributes attributes,
    Func<torch.Tensor, torch.Tensor> function) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [function(inputs[0]!)];
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The number of elements of a tensor, a scalar in host memory.</summary>
internal sealed class Size(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [torch.tensor(inputs[0]!.numel())];
}

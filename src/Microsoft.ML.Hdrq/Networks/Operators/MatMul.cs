using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The matrix product with NumPy's rules for more and fewer than two dimensions.</summary>
internal sealed class MatMul(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) => [inputs[0]!.matmul(inputs[1]!)];
}

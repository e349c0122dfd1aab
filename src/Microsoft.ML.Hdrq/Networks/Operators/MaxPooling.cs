using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Maximum pooling over one, two or three spatial dimensions.</summary>
internal sealed class MaxPooling(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) => throw new NotSupportedException();
}

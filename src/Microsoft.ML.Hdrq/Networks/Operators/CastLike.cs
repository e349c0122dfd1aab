using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The first input in the element type of the second.</summary>
internal sealed class CastLike(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        context.CheckSize(inputs[0]!.shape, inputs[1]!.dtype);
        return [inputs[0]!.to(inputs[1]!.dtype).alias()];
    }
}

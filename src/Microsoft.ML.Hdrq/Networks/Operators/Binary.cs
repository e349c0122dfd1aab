using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>An operator on two tensors that are broadcast to one shape by NumPy's rules.</summary>
internal sealed class Binary(
    string type,
    OperatorAttributes attributes,
    Func<torch.Tensor, torch.Tensor, torch.Tensor> function) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (a, b) = HostValues.SameDevice(inputs[0]!, inputs[1]!);
        Broadcasting.Shape(a.shape, b.shape, a.dtype, context);
        return [function(a, b)];
    }
}

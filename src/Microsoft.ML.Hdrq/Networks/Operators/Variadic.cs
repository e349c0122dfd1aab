using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>An operator on any number of tensors that are broadcast to one shape, computed two at a time.</summary>
internal sealed class Variadic(
    string type,
    OperatorAttributes attributes,
    Func<torch.Tensor, torch.Tensor, torch.Tensor> function) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var tensors = HostValues.SameDevice(inputs);
        var result = tensors[0].alias();
        foreach (var tensor in tensors.AsSpan(1))
        {
            Broadcasting.Shape(result.shape, tensor.shape, result.dtype, context);
            result = function(result, tensor);
        }
        return [Type == "Mean" ? result.div(Scalars.Keep(tensors.Length)) : result];
    }
}

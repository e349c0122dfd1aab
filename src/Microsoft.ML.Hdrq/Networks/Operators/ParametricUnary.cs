using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>An operator whose attributes choose how it maps each element; they are read, and so checked, once.</summary>
internal sealed class ParametricUnary(string type, OperatorAttributes attributes, Func<OperatorAttributes, Func<torch.Tensor, torch.Tensor>> bind) : Operator(type, attributes)
{
    private readonly Func<torch.Tensor, torch.Tensor> _function = bind(attributes);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) => [_function(inputs[0]!)];
}

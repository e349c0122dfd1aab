using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// An operator that maps each element by a function that depends on its attributes. They are read and checked once.
/// </summary>
internal sealed class ParametricUnary(
    string type,
    OperatorAttributes attributes,
    Func<OperatorAttributes, Func<torch.Tensor, torch.Tensor>> bind) : Operator(type, attributes)
{
    private readonly Func<torch.Tensor, torch.Tensor> _function = bind(attributes);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [_function(inputs[0]!)];
}

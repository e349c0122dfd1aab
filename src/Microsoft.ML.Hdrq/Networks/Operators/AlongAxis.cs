using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>A function along one axis, such as softmax.</summary>
internal sealed class AlongAxis(
    string type,
    OperatorAttributes attributes,
    Func<torch.Tensor, long, torch.Tensor> function) : Operator(type, attributes)
{
    private readonly long _axis = attributes.Integer("axis", -1);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [function(inputs[0]!, HostValues.Axis(_axis, inputs[0]!.dim()))];
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Broadcasts the first input to the shape in the second.</summary>
internal sealed class Expand(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
        [
            inputs[0]!
                .expand(Broadcasting.Shape(
                    inputs[0]!.shape, HostValues.Integers(inputs[1]!), inputs[0]!.dtype, context))
                .alias(),
        ];
}

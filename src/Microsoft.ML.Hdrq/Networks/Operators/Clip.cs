using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Clips elements between two optional bounds. Inputs: data, lower bound, upper bound.</summary>
internal sealed class Clip(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input > 0;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, lower, upper) = (inputs[0]!, inputs.Optional(1), inputs.Optional(2));
        if (lower is null && upper is null)
            return [data.alias()];
        return [data.clamp(lower?.to(data.device).reshape([]), upper?.to(data.device).reshape([]))];
    }
}

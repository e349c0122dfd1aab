using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The values from a start up to, but excluding, a limit in steps: three scalar inputs.</summary>
internal sealed class Sequence(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var type = inputs[0]!.dtype;
        var (start, limit, step) = (
            HostValues.Number(inputs[0]!),
            HostValues.Number(inputs[1]!),
            HostValues.Number(inputs[2]!));
        var count = Math.Ceiling((limit - start) / step);
        if (double.IsNaN(count) || count > long.MaxValue / 2)
            throw new InvalidDataException("A range needs finite numbers and a step other than zero.");
        var length = (long)Math.Max(0, count);
        context.CheckSize([length], torch.ScalarType.Int64);
        var numbers = TensorMath.Range(0, length).to(type)
            .mul(inputs[2]!.cpu().reshape([]))
            .add(inputs[0]!.cpu().reshape([]), Scalars.One);
        return [numbers.to(HostValues.Home(ElementTypes.FromTorch(type), context))];
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The numbers from a start to before a limit in steps: three scalar inputs.</summary>
internal sealed class Sequence(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var type = inputs[0]!.dtype;
        var (start, limit, step) = (inputs[0]!.cpu().reshape([]), HostValues.Numbers(inputs[1]!).Single(), inputs[2]!.cpu().reshape([]));
        var count = Math.Ceiling((limit - HostValues.Numbers(start)[0]) / HostValues.Numbers(step)[0]);
        if (double.IsNaN(count) || count > long.MaxValue / 2)
            throw new InvalidDataException("A range needs finite numbers and a step other than zero.");
        var length = (long)Math.Max(0, count);
        context.CheckSize([length]);
        var numbers = torch.arange(length, torch.ScalarType.Int64).to(type).mul(step).add(start);
        return [numbers.to(HostValues.Home(ElementTypes.FromTorch(type), context))];
    }
}

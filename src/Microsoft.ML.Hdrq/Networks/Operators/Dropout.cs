using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Dropout: in <see cref="ForwardMode.Training"/> it zeroes elements at random and scales up the rest; otherwise it is
/// the identity. Inputs: data, ratio (0.5), training mode (ignored: the pass decides). Outputs: data, mask of the kept
/// elements.
/// </summary>
internal sealed class Dropout(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        var ratio = context.Mode != ForwardMode.Training ? 0
            : inputs.Optional(1) is { } input ? HostValues.Number(input)
            : 0.5;
        if (ratio is not (>= 0 and < 1))
            throw new InvalidDataException($"A dropout ratio of {ratio} is not in [0, 1).");
        if (ratio == 0)
            return [data.alias(), torch.ones([], torch.ScalarType.Bool, data.device).expand(data.shape)];
        // A generator draws only on its own device.
        var source = context.Generator?.device ?? data.device;
        var kept = torch.rand(data.shape, torch.ScalarType.Float32, source, generator: context.Generator)
            .ge(Scalars.Keep(ratio))
            .to(data.device);
        return [data.mul(kept).mul(Scalars.Keep(1 / (1 - ratio))), kept];
    }
}

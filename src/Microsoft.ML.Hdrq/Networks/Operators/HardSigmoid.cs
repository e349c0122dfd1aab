using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Scales and shifts elements, and clips them to 0 and 1.</summary>
internal sealed class HardSigmoid : Operator
{
    public HardSigmoid(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        Alpha = attributes.Float("alpha", 0.2f);
        Beta = attributes.Float("beta", 0.5f);
    }

    public float Alpha { get; }

    public float Beta { get; }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context) =>
    [
        inputs[0]!.mul(Scalars.Keep(Alpha)).add(Scalars.Keep(Beta), Scalars.One)
            .clamp(Scalars.Keep(0), Scalars.Keep(1)),
    ];
}

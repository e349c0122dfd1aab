using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The same values in another element type. Floats are truncated; integers that do not fit wrap around.
/// </summary>
internal sealed class Cast : Operator
{
    private readonly ElementType _target;

    public Cast(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _target = (ElementType)attributes.Integer("to", 0);
        // These attributes concern 8-bit floating-point types, which are not supported.
        attributes.Integer("saturate", 1);
        attributes.Text("round_mode", "up");
        if (!Enum.IsDefined(_target))
        {
            throw new InvalidDataException(
                $"Attribute 'to' is {(long)_target}, an element type that is not supported.");
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        context.CheckSize(
            data.shape, _target is ElementType.Int4 or ElementType.UInt4 ? torch.ScalarType.Int64 : _target.ToTorch());
        return
        [
            _target switch
            {
                ElementType.Int4 => data.to(torch.ScalarType.Int64)
                    .add(Scalars.Keep(8), Scalars.One)
                    .bitwise_and(torch.tensor(15L))
                    .sub(Scalars.Keep(8))
                    .to(torch.ScalarType.Int8),
                ElementType.UInt4 => data.to(torch.ScalarType.Int64)
                    .bitwise_and(torch.tensor(15L))
                    .to(torch.ScalarType.Byte),
                _ => data.to(_target.ToTorch()).alias(),
            },
        ];
    }
}

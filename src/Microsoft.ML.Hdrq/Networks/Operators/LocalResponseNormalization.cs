using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Divides by a power of the mean square of neighbouring channels.</summary>
internal sealed class LocalResponseNormalization : Operator
{
    private readonly long _size;
    private readonly float _alpha;
    private readonly float _beta;
    private readonly float _bias;

    public LocalResponseNormalization(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _size = attributes.Integer("size", 0);
        _alpha = attributes.Float("alpha", 1e-4f);
        _beta = attributes.Float("beta", 0.75f);
        _bias = attributes.Float("bias", 1);
        if (_size is < 1 or > int.MaxValue)
        {
            throw new InvalidDataException(
                $"LRN needs the attribute 'size', a positive number of channels, not {_size}.");
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        // Channels beyond the ends count as zeros; for an even size, one more channel after than before is included.
        var squares = SpatialWindow.Pad(
            data.Squared().reshape([data.shape[0], data.shape[1], -1]),
            [(_size - 1) / 2, 0],
            [_size / 2, 0],
            0,
            context);
        var means = torch.nn.functional
            .avg_pool2d(squares.unsqueeze(1), [_size, 1], [1, 1])
            .squeeze(1)
            .reshape(data.shape);
        var divisors = means.mul(Scalars.Keep(_alpha)).add(Scalars.Keep(_bias), Scalars.One).pow(Scalars.Keep(_beta));
        return [data.div(divisors)];
    }
}

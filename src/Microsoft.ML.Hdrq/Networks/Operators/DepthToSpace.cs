using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Moves channels to blocks of <c>blocksize</c> by <c>blocksize</c> pixels, or back. The block is the slower (DCR) or
/// the faster (CRD) part of the channel.
/// </summary>
internal sealed class DepthToSpace : Operator
{
    private readonly long _block;
    private readonly bool _columnRowDepth;

    public DepthToSpace(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _block = attributes.Integer("blocksize", 0);
        if (_block is < 1 or > short.MaxValue)
            throw new InvalidDataException($"{type} needs the attribute 'blocksize', a positive number, not {_block}.");
        // SpaceToDepth has only one order.
        var mode = type == "DepthToSpace" ? attributes.Text("mode", "DCR") : "DCR";
        _columnRowDepth = mode == "CRD";
        if (mode is not ("DCR" or "CRD"))
            throw new InvalidDataException($"Attribute 'mode' is '{mode}'; it must be DCR or CRD.");
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        if (data.dim() != 4)
            throw new InvalidDataException($"{Type} needs data of 4 dimensions.");
        var (n, c, h, w) = (data.shape[0], data.shape[1], data.shape[2], data.shape[3]);
        var (depth, down) = (c / (_block * _block), Type == "SpaceToDepth");
        if (down ? h % _block != 0 || w % _block != 0 : c % (_block * _block) != 0)
        {
            throw new InvalidDataException(
                $"{Type} cannot divide {TensorShape.Describe(data.shape)} by blocks of {_block}.");
        }
        if (down)
        {
            return
            [
                data.reshape(n, c, h / _block, _block, w / _block, _block)
                    .permute(0, 3, 5, 1, 2, 4)
                    .reshape(n, c * _block * _block, h / _block, w / _block)
                    .alias(),
            ];
        }
        var pixels = _columnRowDepth
            ? data.reshape(n, depth, _block, _block, h, w).permute(0, 1, 4, 2, 5, 3)
            : data.reshape(n, _block, _block, depth, h, w).permute(0, 3, 4, 1, 5, 2);
        return [pixels.reshape(n, depth, h * _block, w * _block).alias()];
    }
}

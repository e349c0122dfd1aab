using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Assigns scales and zero points to the data: one for the whole tensor, one per index along an axis, or one per block
/// along an axis.
/// </summary>
internal sealed class QuantizationGrid
{
    private readonly long _axis;
    private readonly long _block;

    public QuantizationGrid(OperatorAttributes attributes)
    {
        _axis = attributes.Integer("axis", 1);
        _block = attributes.Integer("block_size", 0);
        if (_block is < 0 or > int.MaxValue)
            throw new InvalidDataException($"Attribute 'block_size' is {_block}; it must be 0 (none) or positive.");
    }

    /// <summary>
    /// Brings a scale or zero point into a shape that broadcasts over the data, on the data's device.
    /// </summary>
    public torch.Tensor Spread(torch.Tensor values, torch.Tensor data)
    {
        values = values.to(data.device);
        if (values.numel() == 1 && _block == 0)
            return values.reshape([]);
        var axis = HostValues.Axis(_axis, data.dim());
        if (_block == 0)
        {
            if (values.dim() != 1 || values.shape[0] != data.shape[axis])
            {
                throw new InvalidDataException(
                    $"{TensorShape.Describe(values.shape)} scales or zero points do not fit axis {axis} "
                    + $"of {TensorShape.Describe(data.shape)}.");
            }
            return values.reshape([-1, .. Enumerable.Repeat(1L, (int)data.dim() - axis - 1)]);
        }
        var blocks = (data.shape[axis] + _block - 1) / _block;
        if (!values.shape.SequenceEqual([.. data.shape[..axis], blocks, .. data.shape[(axis + 1)..]]))
        {
            throw new InvalidDataException(
                $"{TensorShape.Describe(values.shape)} scales or zero points do not fit blocks of {_block} "
                + $"along axis {axis} of {TensorShape.Describe(data.shape)}.");
        }
        var blockOfIndex = TensorMath.Range(0, data.shape[axis], data.device).floor_divide(Scalars.Keep(_block));
        return values.index_select(axis, blockOfIndex);
    }
}

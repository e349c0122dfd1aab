using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Adds blocks of images where they overlap: the inverse of taking an image's blocks apart. Inputs: blocks
/// [N, C * elements of a block, blocks], the image's size, the block's size.
/// </summary>
internal sealed class Col2Im : Operator
{
    private readonly long[] _strides;
    private readonly long[] _dilations;
    private readonly long[] _pads;

    public Col2Im(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _strides = Sizes("strides", 1, 1, 1);
        _dilations = Sizes("dilations", 1, 1, 1);
        _pads = Sizes("pads", 0, 0, 0, 0, 0);

        long[] Sizes(string name, long minimum, params long[] defaults)
        {
            long[] values = attributes.Integers(name) is { IsDefault: false } given ? [.. given] : defaults;
            attributes.Record(name, values.AsSpan().SequenceEqual(defaults));
            return values.Length == defaults.Length && Array.TrueForAll(values, value => value >= minimum)
                ? values
                : throw new InvalidDataException(
                    $"Attribute '{name}' is [{string.Join(", ", values)}]; {defaults.Length} numbers of at least "
                    + $"{minimum} are supported, for images of two dimensions.");
        }
    }

    internal override bool ReadsAsList(int input) => input is 1 or 2;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, image, block) = (inputs[0]!, HostValues.Integers(inputs[1]!), HostValues.Integers(inputs[2]!));
        if (data.dim() != 3 || image.Length != 2 || block.Length != 2 || block[0] < 1 || block[1] < 1
            || data.shape[1] % (block[0] * block[1]) != 0)
        {
            throw new InvalidDataException(
                $"Col2Im cannot make images of {string.Join(" x ", image)} of blocks of {string.Join(" x ", block)} "
                + $"from {TensorShape.Describe(data.shape)}; it takes images of two dimensions.");
        }
        // Torch pads both sides alike, so the padding is cut away here.
        var (height, width) = (image[0] + _pads[0] + _pads[2], image[1] + _pads[1] + _pads[3]);
        context.CheckSize([data.shape[0], data.shape[1] / (block[0] * block[1]), height, width], data.dtype);
        var padded = torch.nn.functional.fold(
            data, (height, width), (block[0], block[1]), (_dilations[0], _dilations[1]), (0, 0),
            (_strides[0], _strides[1]));
        return [padded.narrow(2, _pads[0], image[0]).narrow(3, _pads[1], image[1])];
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Convolution over one, two or three spatial dimensions. Inputs: data, weight [out, in / group, kernel...], bias
/// (optional).
/// </summary>
internal sealed class Convolution : LayerOperator
{
    private readonly SpatialWindow _window;

    public Convolution(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _window = new SpatialWindow(attributes);
        Groups = SpatialWindow.Groups(attributes);
    }

    /// <summary>The number of groups of channels.</summary>
    public long Groups { get; }

    public override bool GivesIntegersOnly => true;

    public override int OutputAxis(int weightRank) => 0;

    public override bool IsMatrixProduct(int weightRank) => Groups == 1 && weightRank == 4;

    public override void CheckWeight(ReadOnlySpan<long> shape) => _window.CheckWeight(shape);

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, weight, bias) = (inputs[0]!, inputs[1]!, inputs.Optional(2));
        var dimensions = (int)weight.dim() - 2;
        if (dimensions is < 1 or > 3 || data.dim() != weight.dim())
            throw new InvalidDataException("A convolution needs data and weights of 3 to 5 dimensions.");
        CheckWeight(weight.shape);
        var kernel = weight.shape.AsSpan(2);
        var (before, after) = _window.Padding(data.shape.AsSpan(2), kernel);
        var sizes = _window.OutputSizes(data.shape.AsSpan(2), kernel, before, after);
        context.CheckSize([data.shape[0], weight.shape[0], .. sizes], data.dtype);
        _window.CheckSpan(data.shape.AsSpan(2), kernel, before, after);
        if (!before.AsSpan().SequenceEqual(after))
        {
            data = SpatialWindow.Pad(data, before, after, 0, context);
            Array.Clear(before);
        }
        var (strides, dilations) = (_window.Strides(dimensions), _window.Dilations(dimensions));
        return [Convolve(data, weight, bias, strides, before, dilations, Groups)];
    }

    /// <summary>The height and the width of the output of a convolution over two dimensions.</summary>
    public (long Height, long Width) OutputSize(torch.Tensor data, long[] weightShape)
    {
        var (before, after) = _window.Padding(data.shape.AsSpan(2), weightShape.AsSpan(2));
        var sizes = _window.OutputSizes(data.shape.AsSpan(2), weightShape.AsSpan(2), before, after);
        return (sizes[0], sizes[1]);
    }

    /// <summary>
    /// The inputs of each output position of a convolution with one group over two dimensions: [positions, in *
    /// kernel].
    /// </summary>
    /// <param name="data">The convolution's input.</param>
    /// <param name="weightShape">The shape of its weight.</param>
    /// <param name="context">The context that checks the size of the result.</param>
    /// <param name="every">
    /// The step between positions in each direction: 1 for all, 2 for every second, and so on.
    /// </param>
    /// <param name="row">The first row of positions.</param>
    /// <param name="column">The first column of positions.</param>
    public torch.Tensor Windows(
        torch.Tensor data,
        long[] weightShape,
        ComputeContext context,
        int every = 1,
        int row = 0,
        int column = 0)
    {
        var kernel = weightShape.AsSpan(2);
        var (before, after) = _window.Padding(data.shape.AsSpan(2), kernel);
        var (height, width) = OutputSize(data, weightShape);
        context.CheckSize(
            [data.shape[0], weightShape[1] * kernel[0] * kernel[1], height / every, width / every],
            data.dtype);
        data = SpatialWindow.Pad(data, before, after, 0, context);
        var (strides, dilations) = (_window.Strides(2), _window.Dilations(2));
        if (row > 0 || column > 0)
        {
            data = data
                .narrow(2, row * strides[0], data.shape[2] - row * strides[0])
                .narrow(3, column * strides[1], data.shape[3] - column * strides[1]);
        }
        var windows = torch.nn.functional.unfold(
            data,
            (kernel[0], kernel[1]),
            dilation: (dilations[0], dilations[1]),
            padding: (0, 0),
            stride: (every * strides[0], every * strides[1]));
        return windows.transpose(1, 2).reshape(-1, windows.shape[1]);
    }

    /// <summary>Torch's convolution for the number of spatial dimensions.</summary>
    public static torch.Tensor Convolve(
        torch.Tensor data,
        torch.Tensor weight,
        torch.Tensor? bias,
        long[] strides,
        long[] padding,
        long[] dilations,
        long groups) => strides.Length switch
        {
            1 => torch.nn.functional.conv1d(data, weight, bias, strides[0], padding[0], dilations[0], groups),
            2 => torch.nn.functional.conv2d(data, weight, bias, strides, padding, dilations, groups),
            _ => torch.nn.functional.conv3d(data, weight, bias, strides, padding, dilations, groups),
        };
}

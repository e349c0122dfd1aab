using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Samples images at the places of a grid. Inputs: data [N, C, H, W], grid [N, H', W', 2] of places from -1 to 1, first
/// along the width.
/// </summary>
internal sealed class GridSample : Operator
{
    private readonly torch.GridSampleMode _mode;
    private readonly torch.GridSamplePaddingMode _padding;
    private readonly bool _alignCorners;

    public GridSample(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _mode = attributes.Text("mode", "linear") switch
        {
            "linear" => torch.GridSampleMode.Bilinear,
            "nearest" => torch.GridSampleMode.Nearest,
            var other => throw new InvalidDataException(
                $"Attribute 'mode' is '{other}'; supported are linear and nearest."),
        };
        _padding = attributes.Text("padding_mode", "zeros") switch
        {
            "zeros" => torch.GridSamplePaddingMode.Zeros,
            "border" => torch.GridSamplePaddingMode.Border,
            "reflection" => torch.GridSamplePaddingMode.Reflection,
            var other => throw new InvalidDataException(
                $"Attribute 'padding_mode' is '{other}'; it must be zeros, border or reflection."),
        };
        _alignCorners = attributes.Integer("align_corners", 0) != 0;
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, grid) = (inputs[0]!, inputs[1]!);
        if (data.dim() != 4 || grid.dim() != 4 || grid.shape[3] != 2 || grid.shape[0] != data.shape[0]
            || data.dtype != grid.dtype)
        {
            throw new InvalidDataException(
                $"GridSample takes images and a grid of two coordinates, not {TensorShape.Describe(data.shape)} "
                + $"and {TensorShape.Describe(grid.shape)}.");
        }
        context.CheckSize([data.shape[0], data.shape[1], grid.shape[1], grid.shape[2]], data.dtype);
        return [torch.nn.functional.grid_sample(data, grid.to(data.device), _mode, _padding, _alignCorners)];
    }
}

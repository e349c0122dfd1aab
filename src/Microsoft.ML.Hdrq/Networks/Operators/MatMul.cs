using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>The matrix product with NumPy's rules for more or less than two dimensions.</summary>
internal sealed class MatMul(string type, OperatorAttributes attributes) : LayerOperator(type, attributes)
{
    public override int OutputAxis(int weightRank) => weightRank - 1;

    public override bool IsMatrixProduct(int weightRank) => weightRank == 2;

    /// <inheritdoc/>
    /// <remarks>The output channels are the last dimension.</remarks>
    public override (long[] Weight, long[] Factor)? ByOutputChannel(long[] weight, long channels) => null;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (a, b) = (inputs[0]!, inputs[1]!);
        // An error in this TorchSharp function ends the process, so all errors are detected before.
        if (a.dtype != b.dtype
            || a.dtype == torch.ScalarType.Bool
            || a.device_type != b.device_type
            || a.device_type != DeviceType.CPU && !a.is_floating_point())
        {
            throw new InvalidDataException(
                "a matrix product needs two tensors of one type, "
                + $"not {a.dtype} on {a.device_type} and {b.dtype} on {b.device_type}.");
        }
        context.CheckSize(ResultShape(a.shape, b.shape), a.dtype);
        return [a.matmul(b)];
    }

    /// <summary>The shape of the product of matrices; a vector counts as a matrix of one row or column.</summary>
    private static long[] ResultShape(long[] left, long[] right)
    {
        if (left.Length == 0 || right.Length == 0)
            throw new InvalidDataException("a matrix product needs tensors of one dimension or more.");
        (left, right) = (left.Length == 1 ? [1, .. left] : left, right.Length == 1 ? [.. right, 1] : right);
        if (left[^1] != right[^2])
            throw new InvalidDataException("the inner sizes of a matrix product differ.");
        var shape = new long[Math.Max(left.Length, right.Length)];
        (shape[^2], shape[^1]) = (left[^2], right[^1]);
        for (var d = 3; d <= shape.Length; d++)
        {
            var (x, y) = (d <= left.Length ? left[^d] : 1, d <= right.Length ? right[^d] : 1);
            shape[^d] = x == y || y == 1 ? x
                : x == 1 ? y
                : throw new InvalidDataException("the outer sizes of a matrix product differ.");
        }
        return shape;
    }
}

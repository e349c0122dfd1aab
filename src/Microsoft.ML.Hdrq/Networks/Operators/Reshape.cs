using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The same elements in another shape. 0 keeps a size (unless <c>allowzero</c>), and -1 stands for the size that is
/// left.
/// </summary>
internal sealed class Reshape : Operator
{
    private readonly bool _allowZero;

    public Reshape(string type, OperatorAttributes attributes) : base(type, attributes) =>
        _allowZero = attributes.Integer("allowzero", 0) != 0;

    internal override bool ReadsAsList(int input) => input == 1;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, shape) = (inputs[0]!, HostValues.Integers(inputs[1]!));
        for (var d = 0; d < shape.Length; d++)
        {
            if (shape[d] == 0 && !_allowZero)
            {
                shape[d] = d < data.dim()
                    ? data.shape[d]
                    : throw new InvalidDataException(
                        $"Size {d} of the new shape is 0 (keep), and the data has only {data.dim()} dimensions.");
            }
        }
        // Torch returns the same handle for a reshape to the same shape.
        return [data.reshape(shape).alias()];
    }
}

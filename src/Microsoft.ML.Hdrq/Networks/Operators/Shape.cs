using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The shape of a tensor, or its part from <c>start</c> up to, but excluding, <c>end</c>, in host memory.
/// </summary>
internal sealed class Shape : Operator
{
    private readonly long _start;
    private readonly long _end;

    public Shape(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _start = attributes.Integer("start", 0);
        _end = attributes.Integer("end", long.MaxValue);
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var shape = inputs[0]!.shape;
        var (start, end) = (Clamp(_start), Clamp(_end));
        return [HostValues.Tensor(shape.AsSpan(start, Math.Max(0, end - start)))];

        int Clamp(long index) => (int)Math.Clamp(index < 0 ? index + shape.Length : index, 0, shape.Length);
    }
}

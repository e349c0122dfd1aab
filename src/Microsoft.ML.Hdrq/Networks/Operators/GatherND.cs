using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Gathers slices at the places that the last dimension of the second input names; both inputs share the first
/// <c>batch_dims</c> dimensions. Negative indices count from the end.
/// </summary>
internal sealed class GatherND : Operator
{
    private readonly int _shared;

    public GatherND(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        var shared = attributes.Integer("batch_dims", 0);
        if (shared is < 0 or > int.MaxValue)
            throw new InvalidDataException($"Attribute 'batch_dims' is {shared}; it must not be negative.");
        _shared = (int)shared;
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (data, indices) = HostValues.SameDevice(inputs[0]!, inputs[1]!.to(torch.ScalarType.Int64));
        var places = Indices.Linear(data.shape, _shared, indices, data.dtype, context, out var count, out var slice);
        return
        [
            data.reshape([count, .. slice])
                .index_select(0, places.reshape(-1))
                .reshape([.. indices.shape[..^1], .. slice])
                .alias(),
        ];
    }
}

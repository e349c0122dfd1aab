using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Writes elements at indices: ScatterElements one element for each index along an axis, ScatterND whole slices at
/// places that the last dimension of the indices names. Inputs: data, indices, updates. Negative indices count from the
/// end.
/// </summary>
internal sealed class Scatter : Operator
{
    private readonly long _axis;
    private readonly bool _adds;

    public Scatter(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _axis = type == "ScatterElements" ? attributes.Integer("axis", 0) : 0;
        _adds = attributes.Text("reduction", "none") switch
        {
            "none" => false,
            "add" => true,
            var other => throw new InvalidDataException(
                $"Attribute 'reduction' is '{other}'; supported are none and add."),
        };
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var tensors = HostValues.SameDevice(inputs);
        var (data, indices, updates) = (tensors[0], tensors[1].to(torch.ScalarType.Int64), tensors[2]);
        if (updates.dtype != data.dtype)
            throw new InvalidDataException($"The data has type {data.dtype}, and the updates {updates.dtype}.");
        return [Type == "ScatterElements" ? Elements(data, indices, updates) : Slices(data, indices, updates, context)];
    }

    private torch.Tensor Elements(torch.Tensor data, torch.Tensor indices, torch.Tensor updates)
    {
        var axis = HostValues.Axis(_axis, data.dim());
        if (indices.dim() != data.dim() || !indices.shape.AsSpan().SequenceEqual(updates.shape)
            || indices.shape.Where((size, d) => d != axis && size > data.shape[d]).Any())
        {
            throw new InvalidDataException(
                $"Indices of shape {TensorShape.Describe(indices.shape)} and updates of shape "
                + $"{TensorShape.Describe(updates.shape)} do not fit data of shape "
                + $"{TensorShape.Describe(data.shape)}.");
        }
        var places = Indices.FromFront(indices, data.shape[axis]);
        return _adds ? data.scatter_add(axis, places, updates) : data.scatter(axis, places, updates);
    }

    private torch.Tensor Slices(torch.Tensor data, torch.Tensor indices, torch.Tensor updates, ComputeContext context)
    {
        var places = Indices.Linear(data.shape, 0, indices, data.dtype, context, out var count, out var slice);
        var size = slice.Aggregate(1L, (product, length) => product * length);
        if (!updates.shape.AsSpan().SequenceEqual([.. indices.shape[..^1], .. slice]))
        {
            throw new InvalidDataException(
                $"Updates of shape {TensorShape.Describe(updates.shape)} do not fit indices of shape "
                + $"{TensorShape.Describe(indices.shape)}.");
        }
        var (rows, values) = (data.reshape(count, size), updates.reshape(-1, size));
        places = places.reshape(-1, 1).expand(values.shape);
        var written = _adds ? rows.scatter_add(0, places, values) : rows.scatter(0, places, values);
        return written.reshape(data.shape).alias();
    }
}

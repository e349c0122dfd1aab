using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Indices into tensors, which come from files or are computed.</summary>
internal static class Indices
{
    /// <summary>Indices that count from the front, each checked.</summary>
    /// <exception cref="InvalidDataException">An index does not exist.</exception>
    public static torch.Tensor FromFront(torch.Tensor indices, long size)
    {
        var places = torch.where(
            indices.lt(Scalars.Keep(0)), indices.add(Scalars.Keep(size), Scalars.One), indices);
        if (places.numel() > 0
            && places.lt(Scalars.Keep(0)).logical_or(places.ge(Scalars.Keep(size))).any().item<bool>())
        {
            throw new InvalidDataException($"An index is not in [{-size}, {size}).");
        }
        return places;
    }

    /// <summary>
    /// For indices whose last dimension names a place in the dimensions after the first ones, which are shared: the
    /// number of the place, counting also over the shared dimensions.
    /// </summary>
    /// <param name="shape">The shape of the data.</param>
    /// <param name="shared">How many dimensions data and indices share.</param>
    /// <param name="indices">The indices, of 64 bits.</param>
    /// <param name="type">The type of the elements.</param>
    /// <param name="context">The pass.</param>
    /// <param name="count">The number of places.</param>
    /// <param name="slice">The shape of what is at a place.</param>
    public static torch.Tensor Linear(
        long[] shape, int shared, torch.Tensor indices, torch.ScalarType type, ComputeContext context, out long count,
        out long[] slice)
    {
        var depth = indices.dim() == 0 ? 0 : (int)indices.shape[^1];
        if (indices.dim() <= shared || depth < 1 || shared + depth > shape.Length
            || !shape.AsSpan(0, shared).SequenceEqual(indices.shape.AsSpan(0, shared)))
        {
            throw new InvalidDataException(
                $"Indices of shape {TensorShape.Describe(indices.shape)} do not fit data of shape "
                + $"{TensorShape.Describe(shape)}.");
        }
        slice = shape[(shared + depth)..];
        context.CheckSize([.. indices.shape[..^1], .. slice], type);
        var linear = torch.zeros(indices.shape[..^1], torch.ScalarType.Int64, indices.device);
        for (var d = 0; d < depth; d++)
        {
            linear = linear.mul(Scalars.Keep(shape[shared + d]))
                .add(FromFront(indices.select(-1, d), shape[shared + d]), Scalars.One);
        }
        var places = shape[shared..(shared + depth)].Aggregate(1L, (product, size) => product * size);
        var groups = shape[..shared].Aggregate(1L, (product, size) => product * size);
        if (shared > 0)
        {
            var offsets = TensorMath.Range(0, groups, indices.device).mul(Scalars.Keep(places))
                .reshape([.. shape[..shared], .. Enumerable.Repeat(1L, (int)linear.dim() - shared)]);
            linear = linear.add(offsets, Scalars.One);
        }
        count = groups * places;
        return linear;
    }
}

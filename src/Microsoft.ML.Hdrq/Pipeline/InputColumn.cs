using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Checks that a column can be a network's input.</summary>
internal static class InputColumn
{
    /// <summary>Checks that a network can be applied to a column at all.</summary>
    /// <exception cref="ArgumentException">
    /// It does not have exactly one input, of type single and with the batch and at least one more dimension.
    /// </exception>
    public static void CheckNetwork(Network network)
    {
        var inputs = network.Graph.Inputs;
        if (inputs.Length != 1)
        {
            throw new ArgumentException(
                $"The network has {inputs.Length} inputs ({string.Join(", ", inputs)}); "
                + "only networks with one input can be applied to a column.",
                nameof(network));
        }
        if (inputs[0].ElementType != ElementType.Float32 || inputs[0].Shape.Length < 2)
        {
            throw new ArgumentException(
                $"The network's input is {inputs[0]}; it must be of type {ElementType.Float32}, "
                + "with the batch and at least one dimension more.",
                nameof(network));
        }
    }

    /// <summary>Finds the input column.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name) =>
        schema.GetColumnOrNull(name) ?? throw Errors.MissingColumn(name);

    /// <summary>
    /// The shape of a network's input without the batch; dynamic dimensions are taken from the column.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The column does not fit.</exception>
    public static long[] RowShape(GraphValue input, DataViewSchema.Column column)
    {
        var shape = input.Shape[1..].ToArray();
        if (column.Type is not VectorDataViewType { IsKnownSize: true } vector
            || vector.ItemType != NumberDataViewType.Single)
        {
            throw Mismatch(column.Name, shape, column.Type);
        }
        var sizes = vector.Dimensions.Select(size => (long)size).ToArray();
        if (shape.Contains(TensorShape.Dynamic))
        {
            if (sizes.Length != shape.Length
                || !shape.Zip(sizes).All(pair => pair.First == TensorShape.Dynamic || pair.First == pair.Second))
            {
                throw Mismatch(column.Name, shape, column.Type);
            }
            return sizes;
        }
        // Dimensions in another order (such as interleaved pixels) mean other data; dimensions of 1, and flat vectors,
        // do not.
        var isSame = sizes.Length == 1
            ? sizes[0] == TensorShape.ElementCount(shape)
            : sizes.Where(size => size != 1).SequenceEqual(shape.Where(size => size != 1));
        return isSame ? shape : throw Mismatch(column.Name, shape, column.Type);
    }

    /// <summary>A column does not have the shape of the input without the batch.</summary>
    public static ArgumentOutOfRangeException Mismatch(string column, ReadOnlySpan<long> shape, DataViewType actual)
    {
        var sizes = string.Join(", ", shape.ToArray().Select(
            size => size == TensorShape.Dynamic ? "any" : size.ToString(CultureInfo.InvariantCulture)));
        return Errors.SchemaMismatch(column, $"known-size vector of Single with sizes [{sizes}]", actual);
    }
}

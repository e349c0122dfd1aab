using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Keeps the values of a column of any type in the rows of a batch.</summary>
internal abstract class ColumnBuffer : IDisposable
{
    /// <summary>Keeps the value of the input's current row.</summary>
    public abstract void Keep(int row);

    /// <summary>
    /// A getter of the kept value of a row, a <see cref="ValueGetter{TValue}"/> of the column's type.
    /// </summary>
    public abstract Delegate Getter(Func<int> row);

    public virtual void Dispose()
    {
    }

    public static ColumnBuffer Create(DataViewRow input, DataViewSchema.Column column, int rows)
    {
        var type = column.Type.RawType;
        var buffer = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(VBuffer<>)
            ? typeof(Vectors<>).MakeGenericType(type.GenericTypeArguments)
            : type == typeof(MLImage) ? typeof(Images)
            : typeof(Values<>).MakeGenericType(type);
        return (ColumnBuffer)Activator.CreateInstance(buffer, input, column, rows)!;
    }

    /// <summary>
    /// Values that can be copied by assignment: numbers, keys, times, and texts, whose characters never change.
    /// </summary>
    private class Values<T>(DataViewRow input, DataViewSchema.Column column, int rows) : ColumnBuffer
    {
        private readonly ValueGetter<T> _getter = input.GetGetter<T>(column);
        private readonly T[] _values = new T[rows];

        public override void Keep(int row) => _getter(ref _values[row]);

        public override Delegate Getter(Func<int> row) =>
            new ValueGetter<T>((ref T value) => Copy(ref _values[row()], ref value));

        protected virtual void Copy(ref T source, ref T destination) => destination = source;
    }

    private sealed class Vectors<T>(DataViewRow input, DataViewSchema.Column column, int rows)
        : Values<VBuffer<T>>(input, column, rows)
    {
        protected override void Copy(ref VBuffer<T> source, ref VBuffer<T> destination) =>
            source.CopyTo(ref destination);
    }

    /// <summary>
    /// Readers dispose images, and so do transformers that pass them on. So the buffer keeps a copy, and every reader
    /// gets its own copy.
    /// </summary>
    private sealed class Images(DataViewRow input, DataViewSchema.Column column, int rows) : ColumnBuffer
    {
        private readonly ValueGetter<MLImage> _getter = input.GetGetter<MLImage>(column);
        private readonly MLImage?[] _values = new MLImage?[rows];
        private MLImage _given = null!;

        public override void Keep(int row)
        {
            _getter(ref _given);
            _values[row]?.Dispose();
            _values[row] = Copy(_given);
        }

        public override Delegate Getter(Func<int> row) => new ValueGetter<MLImage>((ref MLImage value) =>
        {
            value?.Dispose();
            value = Copy(_values[row()])!;
        });

        public override void Dispose()
        {
            foreach (var value in _values)
                value?.Dispose();
            base.Dispose();
        }

        private static MLImage? Copy(MLImage? image) =>
            image is null ? null : MLImage.CreateFromPixels(image.Width, image.Height, image.PixelFormat, image.Pixels);
    }
}

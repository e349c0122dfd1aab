using Microsoft.ML.Data;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>The labels of rows that are read for training: classes or masks.</summary>
internal abstract class RowLabels
{
    /// <summary>Whether the current row has a label.</summary>
    public abstract bool Read();

    /// <summary>Keeps the label that was read, at the index of a row.</summary>
    public abstract void Keep(int place);

    /// <summary>
    /// All labels that were kept: zero-based classes, [rows], or bytes, [rows, height, width]. Owned by the caller.
    /// </summary>
    public abstract torch.Tensor ToTensor();

    /// <summary>Creates the labels of a column.</summary>
    /// <param name="row">The row that moves over the data.</param>
    /// <param name="column">The column: a key, or a mask.</param>
    /// <param name="label">What the column holds.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column has another type.</exception>
    public static RowLabels Create(DataViewRow row, DataViewSchema.Column column, LabelColumn label)
    {
        if (label.MaskShape is not { } maskShape)
        {
            return column.Type is KeyDataViewType
                ? new Classes(row, column, label.Classes)
                : throw Errors.SchemaMismatch(column.Name, "Key", column.Type);
        }
        var type = Prediction.MaskType(maskShape);
        return column.Type.Equals(type)
            ? new Masks(row, column, maskShape, label.Ignored)
            : throw Errors.SchemaMismatch(column.Name, type.ToString(), column.Type);
    }

    /// <summary>A getter of a key's value, for keys of any type; 0 if it is missing.</summary>
    public static Func<ulong> KeyGetter(DataViewRow row, DataViewSchema.Column column)
    {
        return column.Type.RawType == typeof(byte) ? Read<byte>(value => value)
            : column.Type.RawType == typeof(ushort) ? Read<ushort>(value => value)
            : column.Type.RawType == typeof(ulong) ? Read<ulong>(value => value)
            : Read<uint>(value => value);

        Func<ulong> Read<T>(Func<T, ulong> widen) where T : struct
        {
            var getter = row.GetGetter<T>(column);
            return () =>
            {
                T value = default;
                getter(ref value);
                return widen(value);
            };
        }
    }

    private static void Put<T>(List<T> list, int place, T value)
    {
        if (place == list.Count)
            list.Add(value);
        else
            list[place] = value;
    }

    private sealed class Classes(DataViewRow row, DataViewSchema.Column column, LabelClasses? classes) : RowLabels
    {
        private readonly Func<ulong> _key = KeyGetter(row, column);
        private readonly List<long> _kept = [];
        private long _class;

        public override bool Read()
        {
            var key = _key();
            _class = classes?.Of(key, column.Name, row.Position) ?? (long)key - 1;
            return _class >= 0;
        }

        public override void Keep(int place) => Put(_kept, place, _class);

        public override torch.Tensor ToTensor() => torch.tensor(_kept.ToArray()).DetachFromDisposeScope();
    }

    private sealed class Masks(DataViewRow row, DataViewSchema.Column column, long[] shape, byte ignored) : RowLabels
    {
        private readonly ValueGetter<VBuffer<byte>> _getter = row.GetGetter<VBuffer<byte>>(column);
        private readonly List<byte[]> _kept = [];
        private VBuffer<byte> _mask;

        public override bool Read()
        {
            _getter(ref _mask);
            var size = shape[0] * shape[1];
            if (_mask.Length != size)
            {
                throw new InvalidOperationException(
                    $"Row {row.Position} of column '{column.Name}' has {_mask.Length} values instead of {size}.");
            }
            return _mask.DenseValues().Any(value => value != ignored);
        }

        public override void Keep(int place) => Put(_kept, place, _mask.DenseValues().ToArray());

        public override torch.Tensor ToTensor()
        {
            var masks = torch.empty([_kept.Count, .. shape], torch.ScalarType.Byte).DetachFromDisposeScope();
            var target = masks.bytes;
            var size = (int)(shape[0] * shape[1]);
            for (var i = 0; i < _kept.Count; i++)
                _kept[i].CopyTo(target[(i * size)..]);
            return masks;
        }
    }
}

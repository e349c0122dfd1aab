using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Counts what is read of data: rows, values of a column, cursors that are open.</summary>
internal sealed class ObservedDataView(IDataView data, string column = nameof(ImageRow.Pixels)) : IDataView
{
    private int _rows;
    private int _values;
    private int _open;

    public int Rows => _rows;

    public int Values => _values;

    public int OpenCursors => _open;

    /// <summary>What the last cursor was asked for.</summary>
    public string[] Asked { get; private set; } = [];

    public bool CanShuffle => data.CanShuffle;

    public DataViewSchema Schema => data.Schema;

    public long? GetRowCount() => data.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new Cursor(this, data.GetRowCursor(Note(columnsNeeded), rand));

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [.. data.GetRowCursorSet(Note(columnsNeeded), n, rand).Select(cursor => new Cursor(this, cursor))];

    private DataViewSchema.Column[] Note(IEnumerable<DataViewSchema.Column> columns)
    {
        var list = columns.ToArray();
        Asked = [.. list.Select(asked => asked.Name)];
        return list;
    }

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly ObservedDataView _parent;
        private readonly DataViewRowCursor _cursor;
        private bool _disposed;

        public Cursor(ObservedDataView parent, DataViewRowCursor cursor)
        {
            (_parent, _cursor) = (parent, cursor);
            Interlocked.Increment(ref parent._open);
        }

        public override DataViewSchema Schema => _cursor.Schema;

        public override long Position => _cursor.Position;

        public override long Batch => _cursor.Batch;

        public override bool IsColumnActive(DataViewSchema.Column column) => _cursor.IsColumnActive(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => _cursor.GetIdGetter();

        public override bool MoveNext()
        {
            if (!_cursor.MoveNext())
                return false;
            Interlocked.Increment(ref _parent._rows);
            return true;
        }

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            var getter = _cursor.GetGetter<TValue>(column);
            if (column.Name != _parent.ColumnName)
                return getter;
            return (ref TValue value) =>
            {
                Interlocked.Increment(ref _parent._values);
                getter(ref value);
            };
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_disposed)
            {
                _disposed = true;
                _cursor.Dispose();
                Interlocked.Decrement(ref _parent._open);
            }
            base.Dispose(disposing);
        }
    }

    private string ColumnName => column;
}

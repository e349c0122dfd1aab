using Microsoft.ML.Data;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Passes rows on until the scores of a row are requested. Then it reads ahead up to a batch, keeps the active columns
/// of those rows, and scores the rows in one pass. Used by one thread at a time, which may change.
/// </summary>
internal sealed class BatchingCursor : DataViewRowCursor
{
    private readonly NetworkBinding _binding;
    private readonly DataViewRowCursor _input;
    private readonly bool[] _active;
    private readonly ReadAhead? _readAhead;
    private long _position = -1;
    private bool _ended;
    private bool _disposed;

    public BatchingCursor(NetworkBinding binding, DataViewRowCursor input, bool[] active)
    {
        _binding = binding;
        _input = input;
        _active = active;
        _readAhead = binding.NeedsScores(active) ? new ReadAhead(binding, input, active) : null;
    }

    public override DataViewSchema Schema => _binding.Schema;

    public override long Position => _position;

    public override long Batch => _readAhead is { IsFilled: true } rows ? rows.Batch : _input.Batch;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[_binding.Check(column).Index];

    public override bool MoveNext()
    {
        if (_ended)
            return false;
        if ((_readAhead is not null && _readAhead.MoveNext())
            || (_readAhead is not { InputEnded: true } && _input.MoveNext()))
        {
            _position++;
            return true;
        }
        _ended = true;
        _position = -1;
        return false;
    }

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        column = _binding.Check(column);
        if (!_active[column.Index])
        {
            throw new ArgumentOutOfRangeException(
                nameof(column), $"Column '{column.Name}' is not active in this cursor.");
        }
        if (!_binding.IsFromInput(column))
            return _binding.Getter<TValue>(column, Scores);
        var live = _input.GetGetter<TValue>(_binding.ToInput(column));
        if (_readAhead is not { } rows)
            return live;
        var kept = NetworkBinding.Typed<TValue>(rows.Getter(column), column);
        return (ref TValue value) =>
        {
            if (rows.IsFilled)
                kept(ref value);
            else
                live(ref value);
        };
    }

    public override ValueGetter<DataViewRowId> GetIdGetter()
    {
        var live = _input.GetIdGetter();
        if (_readAhead is not { } rows)
            return live;
        return (ref DataViewRowId value) =>
        {
            if (rows.IsFilled)
                value = rows.Id;
            else
                live(ref value);
        };
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            _ended = true;
            _position = -1;
            _readAhead?.Dispose();
            _input.Dispose();
        }
        base.Dispose(disposing);
    }

    private ReadOnlySpan<float> Scores()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_position < 0)
            throw new InvalidOperationException("Cannot get the scores: the cursor is not on a row.");
        return _readAhead!.Scores(_position);
    }

    /// <summary>The rows that were read ahead, starting with the one whose scores were requested first.</summary>
    private sealed class ReadAhead : IDisposable
    {
        private readonly NetworkBinding _binding;
        private readonly DataViewRowCursor _input;
        private readonly ColumnBuffer?[] _columns;
        private readonly ValueGetter<VBuffer<float>> _inputGetter;
        private readonly ValueGetter<DataViewRowId> _idGetter;
        private readonly DataViewRowId[] _ids;
        private readonly long[] _batches;
        private readonly float[] _scores;
        private readonly torch.Tensor _batch;
        private VBuffer<float> _value;
        private int _count;
        private int _current;
        private int _filled;

        public ReadAhead(NetworkBinding binding, DataViewRowCursor input, bool[] active)
        {
            _binding = binding;
            _input = input;
            var size = binding.BatchSize;
            _columns =
            [
                .. binding.InputSchema
                    .Select(column => active[column.Index] ? ColumnBuffer.Create(input, column, size) : null),
            ];
            // A column that is kept is not computed a second time.
            _inputGetter = _columns[binding.Input.Index] is { } kept
                ? (ValueGetter<VBuffer<float>>)kept.Getter(() => _filled)
                : input.GetGetter<VBuffer<float>>(binding.Input);
            _idGetter = input.GetIdGetter();
            _ids = new DataViewRowId[size];
            _batches = new long[size];
            _scores = new float[checked(size * binding.Scorer.ScoreSize)];
            _batch = binding.Scorer.NewBatch(size);
        }

        /// <summary>Whether the current row is one of those read ahead.</summary>
        public bool IsFilled => _count > 0;

        public bool InputEnded { get; private set; }

        public long Batch => _batches[_current];

        public DataViewRowId Id => _ids[_current];

        public bool MoveNext()
        {
            if (_current + 1 < _count)
            {
                _current++;
                return true;
            }
            _count = 0;
            _current = 0;
            return false;
        }

        public Delegate Getter(DataViewSchema.Column column) => _columns[column.Index]!.Getter(() => _current);

        public ReadOnlySpan<float> Scores(long position)
        {
            if (_count == 0)
                Fill(position);
            return _scores.AsSpan(_current * _binding.Scorer.ScoreSize, _binding.Scorer.ScoreSize);
        }

        public void Dispose()
        {
            _batch.Dispose();
            foreach (var column in _columns)
                column?.Dispose();
        }

        private void Fill(long position)
        {
            _filled = 0;
            do
            {
                foreach (var column in _columns)
                    column?.Keep(_filled);
                _idGetter(ref _ids[_filled]);
                _batches[_filled] = _input.Batch;
                _inputGetter(ref _value);
                _binding.CopyInput(in _value, _binding.Scorer.Row(_batch, _filled), position + _filled);
                _filled++;
            }
            while (_filled < _ids.Length && !(InputEnded = !_input.MoveNext()));
            _binding.Scorer.Score(_batch, _filled, _scores);
            (_count, _current) = (_filled, 0);
        }
    }
}

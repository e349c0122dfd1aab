using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Scores single rows, as prediction engines do.</summary>
internal sealed class NetworkRowMapper(NetworkBinding binding) : IRowToRowMapper
{
    public DataViewSchema InputSchema => binding.InputSchema;

    public DataViewSchema OutputSchema => binding.Schema;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        binding.Dependencies(binding.Active(dependingColumns));

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new Row(binding, input, binding.Active(activeColumns));

    /// <summary>
    /// A row that computes its scores when they are first requested, and again after the row behind it has moved.
    /// </summary>
    private sealed class Row : DataViewRow
    {
        private readonly NetworkBinding _binding;
        private readonly DataViewRow _input;
        private readonly bool[] _active;
        private readonly ValueGetter<VBuffer<float>>? _inputGetter;
        private readonly float[] _scores;
        private VBuffer<float> _value;
        private long? _scoredPosition;
        private bool _disposed;

        public Row(NetworkBinding binding, DataViewRow input, bool[] active)
        {
            _binding = binding;
            _input = input;
            _active = active;
            var needsScores = binding.NeedsScores(active);
            _inputGetter = needsScores ? input.GetGetter<VBuffer<float>>(binding.Input) : null;
            _scores = needsScores ? new float[binding.Scorer.ScoreSize] : [];
        }

        public override DataViewSchema Schema => _binding.Schema;

        public override long Position => _input.Position;

        public override long Batch => _input.Batch;

        public override bool IsColumnActive(DataViewSchema.Column column) => _active[_binding.Check(column).Index];

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            column = _binding.Check(column);
            if (!_active[column.Index])
            {
                throw new ArgumentOutOfRangeException(
                    nameof(column), $"Column '{column.Name}' is not active in this row.");
            }
            return _binding.IsFromInput(column)
                ? _input.GetGetter<TValue>(_binding.ToInput(column))
                : _binding.Getter<TValue>(column, Scores);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_disposed)
            {
                _disposed = true;
                _input.Dispose();
            }
            base.Dispose(disposing);
        }

        private ReadOnlySpan<float> Scores()
        {
            if (_scoredPosition != _input.Position)
            {
                _inputGetter!(ref _value);
                using var batch = _binding.Scorer.NewBatch(1);
                _binding.CopyInput(in _value, _binding.Scorer.Row(batch, 0), _input.Position);
                _binding.Scorer.Score(batch, 1, _scores);
                _scoredPosition = _input.Position;
            }
            return _scores;
        }
    }
}

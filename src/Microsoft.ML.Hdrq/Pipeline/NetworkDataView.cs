namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Data with the columns of a network's scores. Lazy: nothing is computed until a cursor is asked for a score.
/// </summary>
internal sealed class NetworkDataView(NetworkBinding binding, IDataView input) : IDataView
{
    public bool CanShuffle => input.CanShuffle;

    public DataViewSchema Schema => binding.Schema;

    public long? GetRowCount() => input.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var active = Active(columnsNeeded);
        return new BatchingCursor(binding, input.GetRowCursor(binding.Dependencies(active), rand), active);
    }

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null)
    {
        var active = Active(columnsNeeded);
        return Array.ConvertAll(
            input.GetRowCursorSet(binding.Dependencies(active), n, rand),
            cursor => (DataViewRowCursor)new BatchingCursor(binding, cursor, active));
    }

    /// <summary>The columns that are requested. Scores of a disposed transformer are refused before rows are read.</summary>
    /// <exception cref="ObjectDisposedException">The transformer has been disposed.</exception>
    private bool[] Active(IEnumerable<DataViewSchema.Column> columnsNeeded)
    {
        var active = binding.Active(columnsNeeded);
        if (binding.NeedsScores(active))
            binding.Scorer.Use().Dispose();
        return active;
    }
}

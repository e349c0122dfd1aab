using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// A network bound to the schema of the data that it is applied to: the input's columns, with their indices, then the
/// score column and, for classifiers, the predicted label or mask.
/// </summary>
internal sealed class NetworkBinding
{
    private readonly int _inputCount;
    private readonly int _input;
    private readonly PredictionKind _prediction;

    /// <summary>Binds a network.</summary>
    /// <param name="scorer">Computes the scores.</param>
    /// <param name="annotation">The annotation of the score column, which describes its network.</param>
    /// <param name="outputColumnName">The score column's name.</param>
    /// <param name="prediction">What the scores mean.</param>
    /// <param name="inputSchema">The schema of the data.</param>
    /// <exception cref="ArgumentOutOfRangeException">The input column is missing or does not fit.</exception>
    public NetworkBinding(
        NetworkScorer scorer, NetworkAnnotation annotation, string outputColumnName, Prediction prediction,
        DataViewSchema inputSchema)
    {
        Scorer = scorer;
        BatchSize = annotation.Settings.BatchSize;
        InputSchema = inputSchema;
        var column = InputColumn.Find(inputSchema, annotation.InputColumnName);
        if (!InputColumn.RowShape(annotation.Network.Graph.Inputs[0], column).AsSpan().SequenceEqual(scorer.InputShape))
            throw InputColumn.Mismatch(column.Name, scorer.InputShape, column.Type);
        _inputCount = inputSchema.Count;
        _input = column.Index;

        var setId = ScoreAnnotations.NextSetId(inputSchema);
        var annotations = ScoreAnnotations.Score(prediction, setId);
        annotation.AddTo(annotations);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(inputSchema);
        builder.AddColumn(outputColumnName, ScoreType(scorer.ScoreShape), annotations.ToAnnotations());
        if (prediction.ColumnName is { } predicted)
        {
            builder.AddColumn(
                predicted, prediction.Type(scorer.ScoreShape), ScoreAnnotations.Predicted(prediction, setId));
        }
        _prediction = prediction.Kind;
        Schema = builder.ToSchema();
    }

    public NetworkScorer Scorer { get; }

    public int BatchSize { get; }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema Schema { get; }

    /// <summary>The column that the network is applied to.</summary>
    public DataViewSchema.Column Input => InputSchema[_input];

    public DataViewSchema.Column Score => Schema[_inputCount];

    public static VectorDataViewType ScoreType(ReadOnlySpan<long> shape) =>
        new(NumberDataViewType.Single, Array.ConvertAll(shape.ToArray(), size => checked((int)size)));

    /// <summary>Whether a column of <see cref="Schema"/> comes from the data unchanged.</summary>
    public bool IsFromInput(DataViewSchema.Column column) => column.Index < _inputCount;

    /// <summary>The data's column behind a column of <see cref="Schema"/> that comes from the data unchanged.</summary>
    public DataViewSchema.Column ToInput(DataViewSchema.Column column) => InputSchema[column.Index];

    /// <summary>Checks that a column belongs to this binding's schema.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not.</exception>
    public DataViewSchema.Column Check(DataViewSchema.Column column) =>
        column.Index < Schema.Count && Schema[column.Index].Name == column.Name
            ? Schema[column.Index]
            : throw new ArgumentOutOfRangeException(
                nameof(column), $"Column '{column.Name}' is not part of this schema.");

    /// <summary>Which columns of <see cref="Schema"/> are requested.</summary>
    public bool[] Active(IEnumerable<DataViewSchema.Column> columns)
    {
        var active = new bool[Schema.Count];
        foreach (var column in columns)
            active[Check(column).Index] = true;
        return active;
    }

    public bool NeedsScores(bool[] active) => active.AsSpan(_inputCount).Contains(true);

    /// <summary>The columns of the data that the active columns need.</summary>
    public List<DataViewSchema.Column> Dependencies(bool[] active)
    {
        var needsScores = NeedsScores(active);
        return [.. InputSchema.Where(column => active[column.Index] || (needsScores && column.Index == _input))];
    }

    /// <summary>Copies a row's input into a batch.</summary>
    /// <exception cref="InvalidOperationException">The row has another size than the column's type says.</exception>
    public void CopyInput(in VBuffer<float> value, Span<float> destination, long position)
    {
        if (value.Length != destination.Length)
        {
            throw new InvalidOperationException(
                $"Row {position} of column '{Input.Name}' has {value.Length} values instead of {destination.Length}.");
        }
        value.CopyTo(destination);
    }

    /// <summary>A getter of the scores, or of the predicted label or mask.</summary>
    /// <param name="column">The column, not from the input.</param>
    /// <param name="scores">The current row's scores.</param>
    /// <exception cref="InvalidOperationException"><typeparamref name="TValue"/> is not the column's type.</exception>
    public ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column, Func<ReadOnlySpan<float>> scores)
    {
        ValueGetter<VBuffer<float>> score = (ref VBuffer<float> value) =>
        {
            var source = scores();
            var editor = VBufferEditor.Create(ref value, source.Length);
            source.CopyTo(editor.Values);
            value = editor.Commit();
        };
        ValueGetter<uint> label = (ref uint value) => value = BestClass.Of(scores());
        ValueGetter<VBuffer<byte>> mask = (ref VBuffer<byte> value) =>
        {
            var source = scores();
            var editor = VBufferEditor.Create(ref value, (int)(Scorer.ScoreShape[1] * Scorer.ScoreShape[2]));
            BestClass.Of(source, editor.Values);
            value = editor.Commit();
        };
        Delegate getter = column.Index == _inputCount ? score : _prediction == PredictionKind.Label ? label : mask;
        return Typed<TValue>(getter, column);
    }

    /// <summary>Casts a getter to the type that a caller requests.</summary>
    /// <exception cref="InvalidOperationException">It has another type.</exception>
    public static ValueGetter<TValue> Typed<TValue>(Delegate getter, DataViewSchema.Column column) =>
        getter as ValueGetter<TValue>
            ?? throw new InvalidOperationException(
                $"Invalid TValue: '{typeof(TValue)}' for column '{column.Name}' of type {column.Type}.");
}

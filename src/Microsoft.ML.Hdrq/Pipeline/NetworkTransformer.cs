using System.Collections.Immutable;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Applies a network to a column; the result of fitting every estimator of this library. It is lazy, scores in batches,
/// and may be used by several threads. The engine is an option of <c>ApplyNetwork</c> that later steps of the pipeline
/// inherit: see <see cref="ScoringEngineKind"/>. Saved with <c>ml.Model.Save</c>, it becomes a chain of ML.NET's own
/// transformers around ONNX Runtime, which any application with Microsoft.ML.OnnxTransformer loads, without this
/// library and without libtorch.
/// </summary>
/// <remarks>
/// The score column holds known-size vectors of <see cref="float"/>, all scores of a row. A network that classifies,
/// whose output is [batch, classes], also gives a predicted label: a key whose values are the names of the classes, the
/// first one with the highest score, or a missing key if all scores are NaN. A network that classifies pixels, whose
/// output is [batch, classes, height, width] with 2 to 255 classes, gives scores of <c>Vector&lt;Single, classes,
/// height, width&gt;</c> and a predicted mask, <c>Vector&lt;Byte, height, width&gt;</c>: for each pixel the zero-based
/// first class with the highest score, or <see cref="MaskLoadingEstimator.Ignored"/> if all scores of the pixel are
/// NaN. In the saved form the score column has no slot names.
/// <para>
/// A row whose input is not finite has NaN for all its scores, with every engine, and leaves other rows alone. The saved
/// form, which has none of this library, gives such a row what ONNX Runtime makes of it.
/// </para>
/// <para>
/// The transformer may be disposed while others score: what is being scored then is finished, and its memory is freed
/// after that. Whoever asks for scores later, of data that it has transformed or in a cursor that was opened before,
/// gets an <see cref="ObjectDisposedException"/> that names it.
/// </para>
/// </remarks>
public sealed class NetworkTransformer : ITransformer, IDisposable
{
    private readonly NetworkScorer _scorer;
    private readonly NetworkAnnotation _annotation;
    private readonly Prediction _prediction;
    private readonly DataViewSchema _inputSchema;

    /// <summary>Takes over a network.</summary>
    /// <param name="network">
    /// The network, on the device that scores; the transformer takes ownership, even if this fails.
    /// </param>
    /// <param name="source">
    /// The network that it was made from, owned by somebody else; null if it was not made from another.
    /// </param>
    /// <param name="outputColumnName">The name of the score column.</param>
    /// <param name="inputColumnName">The name of the input column.</param>
    /// <param name="settings">How the output becomes columns.</param>
    /// <param name="inputSchema">The schema of the data that the estimator was fitted to.</param>
    /// <exception cref="ArgumentOutOfRangeException">The input column, or the class names, do not fit.</exception>
    internal NetworkTransformer(
        Network network, Network? source, string outputColumnName, string inputColumnName, ScoringSettings settings,
        DataViewSchema inputSchema)
    {
        _annotation = new NetworkAnnotation(network, source ?? network, inputColumnName, settings);
        _inputSchema = inputSchema;
        OutputColumnName = outputColumnName;
        try
        {
            var rowShape = InputColumn.RowShape(
                network.Graph.Inputs[0], InputColumn.Find(inputSchema, inputColumnName));
            _scorer = new NetworkScorer(
                network, rowShape, settings.Softmax, settings.Engine, settings.Threads, Disposed);
            _prediction = Prediction.Of(network, settings, _scorer.ScoreShape);
        }
        catch
        {
            _scorer?.Dispose();
            network.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The network that is applied, with its normalization; it belongs to the transformer and lives as long as it. Do
    /// not change it: what is scored is a copy, made when the first score is read.
    /// </summary>
    public Network Network => _annotation.Network;

    /// <summary>The name of the input column.</summary>
    public string InputColumnName => _annotation.InputColumnName;

    /// <summary>The name of the score column.</summary>
    public string OutputColumnName { get; }

    /// <summary>The name of the predicted label's column; null if there is none.</summary>
    public string? PredictedLabelColumnName => _prediction.Kind == PredictionKind.Label ? _prediction.ColumnName : null;

    /// <summary>The name of the predicted mask's column; null if there is none.</summary>
    public string? PredictedMaskColumnName => _prediction.Kind == PredictionKind.Mask ? _prediction.ColumnName : null;

    /// <summary>The names of the classes, in the order of the scores; empty if the network does not classify.</summary>
    public ImmutableArray<string> ClassNames => _prediction.ClassNames;

    /// <summary>The number of rows scored together.</summary>
    public int BatchSize => _annotation.Settings.BatchSize;

    /// <summary>True: every row is scored independently.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The schema of the data with the columns that this transformer adds.</summary>
    /// <param name="inputSchema">The schema of the data.</param>
    /// <returns>The input's columns, then the score column and the predicted label or mask.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The input column is missing or does not fit.</exception>
    /// <exception cref="ObjectDisposedException">The transformer has been disposed.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).Schema;

    /// <summary>Adds the columns to data. Nothing is computed until a cursor is asked for a score.</summary>
    /// <param name="input">The data.</param>
    /// <returns>The data with the columns that this transformer adds.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The input column is missing or does not fit.</exception>
    /// <exception cref="ObjectDisposedException">The transformer has been disposed.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new NetworkDataView(Bind(input.Schema), input);
    }

    /// <summary>A mapper that scores single rows.</summary>
    /// <param name="inputSchema">The schema of the rows.</param>
    /// <returns>The mapper.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The input column is missing or does not fit.</exception>
    /// <exception cref="ObjectDisposedException">The transformer has been disposed.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => new NetworkRowMapper(Bind(inputSchema));

    /// <summary>
    /// Writes the network as an ONNX file, and reports its size and which layers ONNX Runtime computes on integers.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced only after writing has succeeded.</param>
    /// <param name="options">How to write it; null for the defaults.</param>
    /// <inheritdoc cref="OnnxReport.Save" path="/returns"/>
    /// <inheritdoc cref="OnnxReport.Save" path="/exception"/>
    /// <exception cref="ObjectDisposedException">The transformer has been disposed.</exception>
    public OnnxReport SaveOnnx(string path, OnnxSaveOptions? options = null)
    {
        using var use = _scorer.Use();
        return OnnxReport.Save(Network, path, options);
    }

    /// <summary>
    /// Frees the network; where another thread scores, as soon as it has ended. Data that this transformer has
    /// transformed cannot be scored any more.
    /// </summary>
    public void Dispose() => _scorer.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        using var use = _scorer.Use();
        new ServingChain(_annotation, OutputColumnName, _prediction, _inputSchema, _scorer).Save(ctx);
    }

    /// <summary>Whether scores have been requested, so that there is an engine.</summary>
    internal bool HasEngine => _scorer.HasEngine;

    private ObjectDisposedException Disposed() => new(
        GetType().FullName, $"The transformer of column '{OutputColumnName}' has been disposed: it gives no scores.");

    private NetworkBinding Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        using var use = _scorer.Use();
        return new NetworkBinding(_scorer, _annotation, OutputColumnName, _prediction, inputSchema);
    }
}

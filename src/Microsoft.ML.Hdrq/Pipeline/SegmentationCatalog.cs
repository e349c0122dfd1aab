using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Evaluates semantic segmentation on scored data; the <c>SemanticSegmentation</c> of an <see cref="MLContext"/>.
/// </summary>
public sealed class SegmentationCatalog
{
    private readonly IHostEnvironment _environment;

    internal SegmentationCatalog(IHostEnvironment environment) => _environment = environment;

    /// <summary>Evaluates predicted masks, in one pass over the data; only counts are kept.</summary>
    /// <param name="data">Data with true and predicted masks.</param>
    /// <param name="labelColumnName">
    /// The true masks: <c>Vector&lt;Byte, height, width&gt;</c> with zero-based classes.
    /// </param>
    /// <param name="predictedMaskColumnName">
    /// The predicted masks, of the same sizes; 255 for pixels without a prediction. Or a network's score column: of the
    /// networks of a pipeline, each of which writes a predicted mask, only the last one's mask can be reached by name.
    /// </param>
    /// <param name="classNames">
    /// The names of the classes; null for those of the predicted masks' column or, if it has none, their numbers.
    /// </param>
    /// <param name="ignoredLabel">The value of pixels without a class in true masks.</param>
    /// <returns>The metrics.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type.</exception>
    /// <exception cref="InvalidOperationException">
    /// A row has values that are not classes; the message names the row.
    /// </exception>
    public SegmentationMetrics Evaluate(
        IDataView data, string labelColumnName = "Label", string predictedMaskColumnName = "PredictedMask",
        IReadOnlyList<string>? classNames = null, byte ignoredLabel = MaskLoadingEstimator.Ignored) =>
        Count(data, null, labelColumnName, predictedMaskColumnName, classNames, ignoredLabel)
            .SingleOrDefault().Counts?.Build()
            ?? new SegmentationMetricsBuilder(classNames).Build();

    /// <summary>
    /// Evaluates predicted masks for each domain, in one pass over the data, with the harmonic mean of the domains'
    /// mean intersections over unions.
    /// </summary>
    /// <param name="data">Data with true and predicted masks.</param>
    /// <param name="domainColumnName">The column with the domain of each row, text or a key with text values.</param>
    /// <param name="labelColumnName">
    /// The true masks: <c>Vector&lt;Byte, height, width&gt;</c> with zero-based classes.
    /// </param>
    /// <param name="predictedMaskColumnName">
    /// The predicted masks, of the same sizes; 255 for pixels without a prediction. Or a network's score column: of the
    /// networks of a pipeline, each of which writes a predicted mask, only the last one's mask can be reached by name.
    /// </param>
    /// <param name="classNames">
    /// The names of the classes; null for those of the predicted masks' column or, if it has none, their numbers.
    /// </param>
    /// <param name="ignoredLabel">The value of pixels without a class in true masks.</param>
    /// <returns>The metrics.</returns>
    /// <inheritdoc cref="Evaluate" path="/exception"/>
    public MultiDomainMetrics<SegmentationMetrics> EvaluateByDomain(
        IDataView data, string domainColumnName = "Domain", string labelColumnName = "Label",
        string predictedMaskColumnName = "PredictedMask", IReadOnlyList<string>? classNames = null,
        byte ignoredLabel = MaskLoadingEstimator.Ignored)
    {
        ArgumentException.ThrowIfNullOrEmpty(domainColumnName);
        var counts = Count(data, domainColumnName, labelColumnName, predictedMaskColumnName, classNames, ignoredLabel);
        return new(counts.Select(entry =>
        {
            var metrics = entry.Counts.Build();
            return new DomainMetrics<SegmentationMetrics>(entry.Domain, metrics, metrics.MeanIntersectionOverUnion);
        }));
    }

    private List<(string Domain, SegmentationMetricsBuilder Counts)> Count(
        IDataView data, string? domainColumnName, string labelColumnName, string predictedMaskColumnName,
        IReadOnlyList<string>? classNames, byte ignoredLabel)
    {
        ArgumentNullException.ThrowIfNull(data);
        using var channel = _environment.Register("SemanticSegmentation").Start("Evaluate");
        var (label, predicted) = (MaskColumn(labelColumnName), InputColumn.Find(data.Schema, predictedMaskColumnName));
        var isScore = NetworkAnnotation.Find(predicted) is { } annotation
            && Prediction.KindOf(annotation.Network) == PredictionKind.Mask;
        var type = isScore
            ? Prediction.MaskType([.. ((VectorDataViewType)predicted.Type).Dimensions.Skip(1)])
            : MaskColumn(predictedMaskColumnName).Type;
        if (!label.Type.Equals(type))
            throw Errors.SchemaMismatch(label.Name, $"{type}", label.Type);
        var domain = domainColumnName is null
            ? (DataViewSchema.Column?)null
            : InputColumn.Find(data.Schema, domainColumnName);
        var names = classNames
            ?? (ScoreAnnotations.FindTexts(predicted, ScoreAnnotations.ClassNames) is { IsEmpty: false } annotated
                ? annotated
                : null);
        var domains = new List<(string Domain, SegmentationMetricsBuilder Counts)>();
        using var cursor = data.GetRowCursor(
            new[] { label, predicted }.Concat(new[] { domain }.OfType<DataViewSchema.Column>()));
        var labels = cursor.GetGetter<VBuffer<byte>>(label);
        var predictions = isScore ? BestClasses() : cursor.GetGetter<VBuffer<byte>>(predicted);
        var domainOf = domain is { } column ? DomainColumn.Getter(cursor, column) : () => default;
        var (truth, prediction) = (default(VBuffer<byte>), default(VBuffer<byte>));
        var rows = 0L;
        for (; cursor.MoveNext(); rows++)
        {
            labels(ref truth);
            predictions(ref prediction);
            var name = domainOf();
            var index = domains.FindIndex(entry => name.Span.SequenceEqual(entry.Domain));
            if (index < 0)
            {
                index = domains.Count;
                domains.Add((name.ToString(), new SegmentationMetricsBuilder(names, ignoredLabel)));
            }
            try
            {
                domains[index].Counts.Add(truth.DenseValues().ToArray(), prediction.DenseValues().ToArray());
            }
            catch (ArgumentException exception)
            {
                throw new InvalidOperationException(
                    $"Row {cursor.Position} cannot be evaluated: {exception.Message}", exception);
            }
        }
        channel.Trace(MessageSensitivity.Schema,
            "Columns '{0}' and '{1}': compared {2} masks.", labelColumnName, predictedMaskColumnName, rows);
        return domains;

        ValueGetter<VBuffer<byte>> BestClasses()
        {
            var scores = cursor.GetGetter<VBuffer<float>>(predicted);
            var row = default(VBuffer<float>);
            return (ref VBuffer<byte> value) =>
            {
                scores(ref row);
                var editor = VBufferEditor.Create(ref value, ((VectorDataViewType)type).Size);
                BestClass.Of(row.GetValues(), editor.Values);
                value = editor.Commit();
            };
        }

        DataViewSchema.Column MaskColumn(string name)
        {
            var found = InputColumn.Find(data.Schema, name);
            return found.Type is VectorDataViewType { ItemType: var item } && item == NumberDataViewType.Byte
                ? found
                : throw Errors.SchemaMismatch(name, "vector of Byte", found.Type);
        }
    }
}

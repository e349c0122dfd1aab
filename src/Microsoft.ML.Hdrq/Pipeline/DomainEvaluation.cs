using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Evaluates classifiers with ML.NET, for each domain.</summary>
internal static class DomainEvaluation
{
    private const string Domain = "hdrq.domain";
    private const string Label = "hdrq.label";

    public static MultiDomainMetrics<MulticlassClassificationMetrics> Evaluate(
        MulticlassClassificationCatalog catalog, IDataView data, string domainColumnName, string labelColumnName,
        string scoreColumnName, string predictedLabelColumnName)
    {
        ArgumentNullException.ThrowIfNull(data);
        var ml = new MLContext();
        var column = InputColumn.Find(data.Schema, domainColumnName);
        IEstimator<ITransformer> copy = column.Type is KeyDataViewType
            ? ml.Transforms.Conversion.MapKeyToValue(Domain, domainColumnName)
            : ml.Transforms.CopyColumns(Domain, domainColumnName);
        // Scores are computed once for all domains.
        var scored = ml.Data.Cache(
            copy.Fit(data).Transform(data), Domain, labelColumnName, scoreColumnName, predictedLabelColumnName);
        var label = InputColumn.Find(scored.Schema, labelColumnName);
        var classes = Classes(
            label,
            InputColumn.Find(scored.Schema, predictedLabelColumnName),
            InputColumn.Find(scored.Schema, scoreColumnName));
        var domains = new List<string>();
        var score = InputColumn.Find(scored.Schema, scoreColumnName);
        using (var cursor = scored.GetRowCursor([scored.Schema[Domain], label, score]))
        {
            var (scores, values) = (cursor.GetGetter<VBuffer<float>>(score), default(VBuffer<float>));
            var domainOf = DomainColumn.Getter(cursor, scored.Schema[Domain]);
            var key = classes is null ? null : RowLabels.KeyGetter(cursor, label);
            while (cursor.MoveNext())
            {
                scores(ref values);
                if (!FiniteCheck.AreFinite(values.GetValues()))
                {
                    throw new InvalidOperationException(
                        $"Row {cursor.Position} of column '{scoreColumnName}' has scores that are not finite "
                        + "(NaN or infinite), so that there is nothing to evaluate.");
                }
                var name = domainOf().ToString();
                if (!domains.Contains(name))
                    domains.Add(name);
                // A label that is not among the predicted classes would be left out of the metrics.
                if (key is not null)
                    _ = classes!.Of(key(), labelColumnName, cursor.Position);
            }
        }
        if (classes is { AreInOrder: false })
        {
            // ML.NET compares the numbers of keys, whatever they stand for.
            var names = ml.Data.LoadFromEnumerable(classes.Names.Select(name => new NamedClass { Name = name }));
            scored = ml.Transforms.Conversion.MapKeyToValue(Label, labelColumnName)
                .Append(ml.Transforms.Conversion.MapValueToKey(Label, keyData: names))
                .Fit(scored)
                .Transform(scored);
            labelColumnName = Label;
        }
        return new(domains.Select(name =>
        {
            var rows = ml.Data.FilterByCustomPredicate<Row>(scored, row => row.Domain != name);
            var metrics = catalog.Evaluate(rows, labelColumnName, scoreColumnName, predictedLabelColumnName);
            return new DomainMetrics<MulticlassClassificationMetrics>(name, metrics, metrics.MicroAccuracy);
        }));
    }

    /// <summary>Which predicted class each label is; null if both have no names.</summary>
    private static LabelClasses? Classes(
        DataViewSchema.Column label, DataViewSchema.Column predicted, DataViewSchema.Column score)
    {
        // In a pipeline of several networks, the predicted label is the last one's, and may have other classes.
        var annotation = NetworkAnnotation.Find(score);
        var names = annotation is null
            ? ScoreAnnotations.FindTexts(predicted, ScoreAnnotations.KeyValues)
            : ScoreAnnotations.FindTexts(score, ScoreAnnotations.SlotNames);
        if (names.IsEmpty)
            return null;
        // Predicted labels have numbers as names where the network has none.
        var hasNames = annotation is not null
            ? annotation.Network.ClassNames is not null
            : !names.SequenceEqual(Prediction.Numbers(names.Length));
        return LabelClasses.Match(label, hasNames ? names : null, names.Length);
    }

    private sealed class NamedClass
    {
        public string Name { get; set; } = "";
    }

    private sealed class Row
    {
        [ColumnName(DomainEvaluation.Domain)]
        public string Domain { get; set; } = "";
    }
}

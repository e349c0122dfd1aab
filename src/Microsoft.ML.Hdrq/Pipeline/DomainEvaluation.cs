using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Analysis;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Evaluates classifiers with ML.NET, for each domain.</summary>
internal static class DomainEvaluation
{
    private const string Domain = "hdrq.domain";

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
        var domains = new List<string>();
        using (var cursor = scored.GetRowCursor([scored.Schema[Domain]]))
        {
            for (var domainOf = DomainColumn.Getter(cursor, scored.Schema[Domain]); cursor.MoveNext();)
            {
                var name = domainOf().ToString();
                if (!domains.Contains(name))
                    domains.Add(name);
            }
        }
        return new(domains.Select(name =>
        {
            var rows = ml.Data.FilterByCustomPredicate<Row>(scored, row => row.Domain != name);
            var metrics = catalog.Evaluate(rows, labelColumnName, scoreColumnName, predictedLabelColumnName);
            return new DomainMetrics<MulticlassClassificationMetrics>(name, metrics, metrics.MicroAccuracy);
        }));
    }

    private sealed class Row
    {
        [ColumnName(DomainEvaluation.Domain)]
        public string Domain { get; set; } = "";
    }
}

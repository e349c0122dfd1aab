using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Describes the network behind a score column, for estimators further down the pipeline. The networks belong to the
/// transformers that made them, and live as long as these.
/// </summary>
/// <param name="Network">The network that gives the scores.</param>
/// <param name="Source">The network that it was made from; the network itself if it was not made from another.</param>
/// <param name="InputColumnName">The column that it is applied to.</param>
/// <param name="Settings">How its output becomes columns.</param>
internal sealed record NetworkAnnotation(
    Network Network, Network Source, string InputColumnName, ScoringSettings Settings)
{
    private const string Kind = "HdrqNetwork";

    /// <summary>The network that it was made from; null if it was not made from another.</summary>
    public Network? Ancestor => ReferenceEquals(Source, Network) ? null : Source;

    /// <summary>Adds the annotation to those of a score column.</summary>
    public void AddTo(DataViewSchema.Annotations.Builder annotations) =>
        annotations.Add(Kind, AnnotationType.Instance, (ref NetworkAnnotation value) => value = this);

    /// <summary>The annotation of a column; null if it has none.</summary>
    public static NetworkAnnotation? Find(DataViewSchema.Column column)
    {
        if (column.Annotations.Schema.GetColumnOrNull(Kind) is not { Type: AnnotationType })
            return null;
        NetworkAnnotation? value = null;
        column.Annotations.GetValue(Kind, ref value);
        return value;
    }

    private sealed class AnnotationType : StructuredDataViewType
    {
        public static readonly AnnotationType Instance = new();

        private AnnotationType() : base(typeof(NetworkAnnotation))
        {
        }

        public override bool Equals(DataViewType? other) => other is AnnotationType;

        public override bool Equals(object? obj) => obj is AnnotationType;

        public override int GetHashCode() => typeof(AnnotationType).GetHashCode();

        public override string ToString() => "Network";
    }
}

using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Extension methods of fitted pipelines.</summary>
public static class FittedPipelines
{
    /// <summary>
    /// Prunes a fitted pipeline to what some columns need. It leaves out networks that only served to make others, and
    /// steps whose columns nothing reads, so that the saved pipeline is as small as possible.
    /// </summary>
    /// <param name="model">The fitted pipeline. It still owns its transformers; the pruned one shares them.</param>
    /// <param name="inputSchema">The schema of the data that the pipeline was fitted to.</param>
    /// <param name="columnNames">The columns to keep, of those that the pipeline gives; at least one.</param>
    /// <returns>The pruned pipeline.</returns>
    /// <exception cref="ArgumentException">No column is named.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The pipeline gives no column of that name.</exception>
    public static ITransformer Only(this ITransformer model, DataViewSchema inputSchema, params string[] columnNames)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(inputSchema);
        ArgumentNullException.ThrowIfNull(columnNames);
        if (columnNames.Length == 0)
            throw new ArgumentException("Name at least one column to keep.", nameof(columnNames));
        var steps = new List<(ITransformer Transformer, DataViewSchema Input)>();
        var schema = inputSchema;
        foreach (var transformer in Flatten(model))
        {
            steps.Add((transformer, schema));
            schema = transformer.GetOutputSchema(schema);
        }
        if (columnNames.FirstOrDefault(name => schema.GetColumnOrNull(name) is null) is { } missing)
            throw Errors.MissingColumn(missing);

        var needed = columnNames.ToHashSet(StringComparer.Ordinal);
        var kept = new List<ITransformer>();
        for (var i = steps.Count - 1; i >= 0; i--)
        {
            var (transformer, input) = steps[i];
            if (!transformer.IsRowToRowMapper)
            {
                kept.Add(transformer);
                continue;
            }
            var output = transformer.GetOutputSchema(input);
            // A column that the step passes on keeps its index, type and annotations object; one that it makes or
            // replaces does not.
            var made = output
                .Where(column => !column.IsHidden && needed.Contains(column.Name) && IsMade(column, input))
                .ToList();
            if (made.Count == 0)
                continue;
            kept.Add(transformer);
            needed.ExceptWith(made.Select(column => column.Name));
            needed.UnionWith(transformer.GetRowToRowMapper(input).GetDependencies(made).Select(column => column.Name));
        }
        kept.Reverse();
        return new TransformerChain<ITransformer>([.. kept]);
    }

    private static bool IsMade(DataViewSchema.Column column, DataViewSchema input) =>
        input.GetColumnOrNull(column.Name) is not { } before
            || column.Index >= input.Count
            || before.Index != column.Index
            || !ReferenceEquals(before.Annotations, column.Annotations)
            || !before.Type.Equals(column.Type);

    private static IEnumerable<ITransformer> Flatten(ITransformer transformer) =>
        transformer is IEnumerable<ITransformer> chain ? chain.SelectMany(Flatten) : [transformer];
}

using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML;

/// <summary>
/// Extension methods of <see cref="ModelOperationsCatalog"/> that show why networks merge well or badly. They analyse
/// the networks behind the score columns of transformed data; <c>ApplyNetwork</c> makes score columns of networks from
/// files.
/// </summary>
public static class HdrqAnalysisCatalog
{
    /// <summary>
    /// Measures the loss and accuracy of mixtures of networks (along the line between two, over the triangle of three,
    /// and so on) and the error barrier between them. A mixture is what <c>MergeNetworks</c> makes with the mixture's
    /// weights and <see cref="AnalysisOptions.Method"/>, so mixtures of quantized networks are quantized. The default
    /// method is the mean, whose mixtures lie on the straight line between the networks.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">
    /// Data with the score columns, their networks' input column, and a label, as transformed by a fitted pipeline.
    /// Scores are not computed.
    /// </param>
    /// <param name="scoreColumnNames">The score columns, at least two.</param>
    /// <param name="options">The options of the analysis; null for the defaults.</param>
    /// <param name="rows">Which rows to read, at most 512 by default; null for the defaults.</param>
    /// <returns>The curve.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of range, or a column is missing or has the wrong type.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// There are fewer than two columns, or the networks cannot be merged; the message names the first difference.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, a row contains NaN, or the GPU is not available.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static InterpolationReport InterpolateNetworks(
        this ModelOperationsCatalog catalog, IDataView data, IReadOnlyList<string> scoreColumnNames,
        AnalysisOptions? options = null, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(scoreColumnNames);
        if (scoreColumnNames.Count < 2)
        {
            throw new ArgumentException(
                $"There are {scoreColumnNames.Count} score columns; interpolation needs at least 2 networks.",
                nameof(scoreColumnNames));
        }
        return Analyse(catalog, data, scoreColumnNames, options, rows, analysis => analysis.Interpolate());
    }

    /// <summary>
    /// Measures the curvature of the loss at a network's weights: the trace and the largest eigenvalue of its Hessian,
    /// for the whole network and for each block.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with the score column, its network's input column, and a label.</param>
    /// <param name="scoreColumnName">The score column.</param>
    /// <param name="options">The options of the analysis; null for the defaults.</param>
    /// <param name="rows">Which rows to read, at most 512 by default; null for the defaults.</param>
    /// <returns>The curvature.</returns>
    /// <inheritdoc cref="InterpolateNetworks"
    ///     path="/exception[@cref='T:System.ArgumentOutOfRangeException'
    ///         or @cref='T:System.InvalidOperationException'
    ///         or @cref='T:System.OperationCanceledException']"/>
    public static CurvatureReport MeasureCurvature(
        this ModelOperationsCatalog catalog, IDataView data, string scoreColumnName, AnalysisOptions? options = null,
        RowOptions? rows = null)
    {
        return Analyse(catalog, data, [scoreColumnName], options, rows, analysis => analysis.Curvature());
    }

    /// <summary>
    /// Compares networks: the loss, accuracy, curvature and distance to the source of each, and the error barrier
    /// between every two with the same graph.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with the score columns, their networks' input column, and a label.</param>
    /// <param name="scoreColumnNames">The score columns, at least one.</param>
    /// <param name="options">The options of the analysis; null for the defaults.</param>
    /// <param name="rows">Which rows to read, at most 512 by default; null for the defaults.</param>
    /// <returns>The comparison.</returns>
    /// <exception cref="ArgumentException">
    /// There is no column, the networks are applied to different columns, or a network does not have the layers of its
    /// source.
    /// </exception>
    /// <inheritdoc cref="InterpolateNetworks"
    ///     path="/exception[@cref='T:System.ArgumentOutOfRangeException'
    ///         or @cref='T:System.InvalidOperationException'
    ///         or @cref='T:System.OperationCanceledException']"/>
    public static NetworkComparison CompareNetworks(
        this ModelOperationsCatalog catalog, IDataView data, IReadOnlyList<string> scoreColumnNames,
        AnalysisOptions? options = null, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(scoreColumnNames);
        if (scoreColumnNames.Count == 0)
            throw new ArgumentException("There are no score columns.", nameof(scoreColumnNames));
        return Analyse(catalog, data, scoreColumnNames, options, rows, analysis => analysis.Compare());
    }

    /// <summary>
    /// Ranks the layers of a quantized network by how much quantizing them hurts. For each layer it gives the
    /// signal-to-noise ratio of the output, the loss when only this layer is quantized, and the loss when all other
    /// layers are. It also gives the exceptions that keep the worst layers at more bits. To find out before training,
    /// quantize with <c>RoundToNearestOptions</c>.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with both score columns, their networks' input column, and a label.</param>
    /// <param name="quantizedColumnName">The score column of the quantized network.</param>
    /// <param name="fullPrecisionColumnName">The score column of the network that it was quantized from.</param>
    /// <param name="options">The options of the analysis; null for the defaults.</param>
    /// <param name="rows">Which rows to read, at most 512 by default; null for the defaults.</param>
    /// <returns>The layers.</returns>
    /// <exception cref="ArgumentException">
    /// The networks are applied to different columns, do not have the same layers, or nothing is quantized.
    /// </exception>
    /// <inheritdoc cref="InterpolateNetworks"
    ///     path="/exception[@cref='T:System.ArgumentOutOfRangeException'
    ///         or @cref='T:System.InvalidOperationException'
    ///         or @cref='T:System.OperationCanceledException']"/>
    public static SensitivityReport MeasureSensitivity(
        this ModelOperationsCatalog catalog, IDataView data, string quantizedColumnName, string fullPrecisionColumnName,
        AnalysisOptions? options = null, RowOptions? rows = null)
    {
        return Analyse(
            catalog, data, [quantizedColumnName, fullPrecisionColumnName], options, rows,
            analysis => analysis.Sensitivity());
    }

    /// <summary>
    /// Counts the input values of each quantizer of a network, and shows where it clips them: weights before
    /// quantizing, and activations on the data.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with both score columns, their networks' input column, and a label.</param>
    /// <param name="quantizedColumnName">The score column of the quantized network.</param>
    /// <param name="fullPrecisionColumnName">The score column of the network that it was quantized from.</param>
    /// <param name="options">The options of the analysis; null for the defaults.</param>
    /// <param name="rows">Which rows to read, at most 512 by default; null for the defaults.</param>
    /// <returns>The histograms of weights and then of activations, each in the order of the graph.</returns>
    /// <exception cref="ArgumentException">
    /// The networks are applied to different columns, or do not have the same layers.
    /// </exception>
    /// <inheritdoc cref="InterpolateNetworks"
    ///     path="/exception[@cref='T:System.ArgumentOutOfRangeException'
    ///         or @cref='T:System.InvalidOperationException'
    ///         or @cref='T:System.OperationCanceledException']"/>
    public static IReadOnlyList<QuantizerHistogram> MeasureHistograms(
        this ModelOperationsCatalog catalog, IDataView data, string quantizedColumnName, string fullPrecisionColumnName,
        AnalysisOptions? options = null, RowOptions? rows = null)
    {
        return Analyse(
            catalog, data, [quantizedColumnName, fullPrecisionColumnName], options, rows,
            analysis => analysis.Histograms());
    }

    private static T Analyse<T>(
        ModelOperationsCatalog catalog, IDataView data, IReadOnlyList<string> columns, AnalysisOptions? options,
        RowOptions? rows, Func<NetworkAnalysis, T> measure)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return NetworkAnalysis.Run(
            CatalogEnvironment.Of(catalog), data, columns, options ?? new(), rows ?? new(), measure);
    }
}

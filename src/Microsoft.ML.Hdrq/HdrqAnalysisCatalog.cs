using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML;

/// <summary>
/// The extension methods of <see cref="ModelOperationsCatalog"/> that say why networks merge well or badly. They analyse the networks behind score columns of transformed data; networks from files
/// become score columns with <c>ApplyNetwork</c>.
/// </summary>
public static class HdrqAnalysisCatalog
{
    /// <summary>
    /// Measures loss and accuracy of mixtures of networks: from one to the other of two, over the triangle of three, and so on; and the error barrier between them. Mixtures are those that <c>MergeNetworks</c> makes with
    /// these weights and <see cref="AnalysisOptions.Method"/>, so those of quantized networks are quantized. By default that is the mean, whose mixtures are on the straight line between the networks.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with the score columns, their networks' input column, and a label: what a fitted pipeline has transformed. Scores are not computed.</param>
    /// <param name="scoreColumnNames">The score columns, at least two.</param>
    /// <param name="options">How closely; null for the defaults.</param>
    /// <param name="rows">On which rows, 512 unless it says otherwise; null for the defaults.</param>
    /// <returns>The curve.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range, or a column is missing or has the wrong type.</exception>
    /// <exception cref="ArgumentException">There are fewer than two columns, or the networks cannot be merged; the message names the first difference.</exception>
    /// <exception cref="InvalidOperationException">There are no rows, a row has values that are not numbers, or the GPU is not there.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static InterpolationReport InterpolateNetworks(
        this ModelOperationsCatalog catalog, IDataView data, IReadOnlyList<string> scoreColumnNames, AnalysisOptions? options = null, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(scoreColumnNames);
        if (scoreColumnNames.Count < 2)
            throw new ArgumentException($"There are {scoreColumnNames.Count} score columns; it takes at least 2 networks to lie between.", nameof(scoreColumnNames));
        using var analysis = Analyse(catalog, data, scoreColumnNames, options, rows);
        return analysis.Interpolate();
    }

    /// <summary>Measures the curvature of the loss at a network's weights: trace and largest eigenvalue of its Hessian, for the whole network and block by block.</summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with the score column, its network's input column, and a label.</param>
    /// <param name="scoreColumnName">The score column.</param>
    /// <param name="options">How closely; null for the defaults.</param>
    /// <param name="rows">On which rows, 512 unless it says otherwise; null for the defaults.</param>
    /// <returns>The curvature.</returns>
    /// <inheritdoc cref="InterpolateNetworks" path="/exception[@cref='T:System.ArgumentOutOfRangeException' or @cref='T:System.InvalidOperationException' or @cref='T:System.OperationCanceledException']"/>
    public static CurvatureReport MeasureCurvature(
        this ModelOperationsCatalog catalog, IDataView data, string scoreColumnName, AnalysisOptions? options = null, RowOptions? rows = null)
    {
        using var analysis = Analyse(catalog, data, [scoreColumnName], options, rows);
        return analysis.Curvature();
    }

    /// <summary>Puts networks side by side: loss, accuracy, curvature, and distance to the source of each, and the error barrier between every two of one graph.</summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with the score columns, their networks' input column, and a label.</param>
    /// <param name="scoreColumnNames">The score columns, at least one.</param>
    /// <param name="options">How closely; null for the defaults.</param>
    /// <param name="rows">On which rows, 512 unless it says otherwise; null for the defaults.</param>
    /// <returns>The comparison.</returns>
    /// <exception cref="ArgumentException">There is no column, the networks are applied to different columns, or one does not have its source's layers.</exception>
    /// <inheritdoc cref="InterpolateNetworks" path="/exception[@cref='T:System.ArgumentOutOfRangeException' or @cref='T:System.InvalidOperationException' or @cref='T:System.OperationCanceledException']"/>
    public static NetworkComparison CompareNetworks(
        this ModelOperationsCatalog catalog, IDataView data, IReadOnlyList<string> scoreColumnNames, AnalysisOptions? options = null, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(scoreColumnNames);
        if (scoreColumnNames.Count == 0)
            throw new ArgumentException("There are no score columns.", nameof(scoreColumnNames));
        using var analysis = Analyse(catalog, data, scoreColumnNames, options, rows);
        return analysis.Compare();
    }

    /// <summary>
    /// Says which layers of a quantized network hurt: for each the signal-to-noise ratio of its output, the loss when only it is quantized and when all but it is, ranked; and the exceptions that keep the worst at
    /// more bits. Quantize with <c>RoundToNearestOptions</c> to ask before training.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with both score columns, their networks' input column, and a label.</param>
    /// <param name="quantizedColumnName">The score column of the quantized network.</param>
    /// <param name="fullPrecisionColumnName">The score column of the network that it was quantized from.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="rows">On which rows, 512 unless it says otherwise; null for the defaults.</param>
    /// <returns>The layers.</returns>
    /// <exception cref="ArgumentException">The networks are applied to different columns, do not have the same layers, or nothing is quantized.</exception>
    /// <inheritdoc cref="InterpolateNetworks" path="/exception[@cref='T:System.ArgumentOutOfRangeException' or @cref='T:System.InvalidOperationException' or @cref='T:System.OperationCanceledException']"/>
    public static SensitivityReport MeasureSensitivity(
        this ModelOperationsCatalog catalog, IDataView data, string quantizedColumnName, string fullPrecisionColumnName, AnalysisOptions? options = null, RowOptions? rows = null)
    {
        using var analysis = Analyse(catalog, data, [quantizedColumnName, fullPrecisionColumnName], options, rows);
        return analysis.Sensitivity();
    }

    /// <summary>Counts the values that go into each quantizer of a network, and says where it clips them: weights as they were before quantizing, and activations on the data.</summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">Data with both score columns, their networks' input column, and a label.</param>
    /// <param name="quantizedColumnName">The score column of the quantized network.</param>
    /// <param name="fullPrecisionColumnName">The score column of the network that it was quantized from.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="rows">On which rows, 512 unless it says otherwise; null for the defaults.</param>
    /// <returns>The histograms of weights and then of activations, each in the order of the graph.</returns>
    /// <exception cref="ArgumentException">The networks are applied to different columns, or do not have the same layers.</exception>
    /// <inheritdoc cref="InterpolateNetworks" path="/exception[@cref='T:System.ArgumentOutOfRangeException' or @cref='T:System.InvalidOperationException' or @cref='T:System.OperationCanceledException']"/>
    public static IReadOnlyList<QuantizerHistogram> MeasureHistograms(
        this ModelOperationsCatalog catalog, IDataView data, string quantizedColumnName, string fullPrecisionColumnName, AnalysisOptions? options = null, RowOptions? rows = null)
    {
        using var analysis = Analyse(catalog, data, [quantizedColumnName, fullPrecisionColumnName], options, rows);
        return analysis.Histograms();
    }

    private static NetworkAnalysis Analyse(ModelOperationsCatalog catalog, IDataView data, IReadOnlyList<string> columns, AnalysisOptions? options, RowOptions? rows)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkAnalysis(CatalogEnvironment.Of(catalog), data, columns, options ?? new(), rows ?? new());
    }
}

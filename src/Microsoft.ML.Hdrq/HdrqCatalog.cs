using System.Runtime.CompilerServices;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML;

/// <summary>
/// Extension members of ML.NET's contexts and catalogs that put networks into pipelines and evaluate them.
/// </summary>
public static class HdrqCatalog
{
    /// <summary>
    /// Creates a <see cref="NetworkScoringEstimator"/>: it applies a network to a column of images, in batches, and
    /// gives the network's scores. If the network classifies images or their pixels, it also gives the predicted label
    /// in the column <c>PredictedLabel</c> or the predicted mask in the column <c>PredictedMask</c>.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the score column.</param>
    /// <param name="inputColumnName">
    /// The name of the input column: known-size vectors of <see cref="float"/> of the network's input size, such as
    /// <c>ExtractPixels</c> gives. Null to use <paramref name="outputColumnName"/>.
    /// </param>
    /// <param name="network">
    /// The network, with one input. The caller keeps it; fitting the estimator copies what it needs.
    /// </param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">
    /// The network does not have exactly one input, of type single and with the batch as first dimension.
    /// </exception>
    public static NetworkScoringEstimator ApplyNetwork(
        this TransformsCatalog catalog, string outputColumnName, string? inputColumnName, Network network) =>
        catalog.ApplyNetwork(outputColumnName, inputColumnName, network, new ScoringOptions());

    /// <summary>
    /// Creates a <see cref="NetworkScoringEstimator"/> with options: batch size, normalization, names of classes,
    /// device.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the score column.</param>
    /// <param name="inputColumnName">
    /// The name of the input column: known-size vectors of <see cref="float"/> of the network's input size. Null to use
    /// <paramref name="outputColumnName"/>.
    /// </param>
    /// <param name="network">
    /// The network, with one input. The caller keeps it; fitting the estimator copies what it needs.
    /// </param>
    /// <param name="options">How the network is applied; copied, never changed.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">
    /// The network does not have exactly one input, of type single and with the batch as first dimension.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of range, or does not fit the network; the message names it.
    /// </exception>
    public static NetworkScoringEstimator ApplyNetwork(
        this TransformsCatalog catalog, string outputColumnName, string? inputColumnName, Network network,
        ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkScoringEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnName, network, options);
    }

    /// <summary>
    /// Creates a <see cref="MaskLoadingEstimator"/>: it loads the masks of semantic segmentation (images with a class
    /// number in each pixel) from grey or indexed PNG files.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the masks' column, <c>Vector&lt;Byte, height, width&gt;</c>.</param>
    /// <param name="inputColumnName">
    /// The text column with the paths of the files. Null to use <paramref name="outputColumnName"/>.
    /// </param>
    /// <param name="imageWidth">The width of the masks in pixels; the same as that of the images.</param>
    /// <param name="imageHeight">The height of the masks in pixels; the same as that of the images.</param>
    /// <param name="options">The folder, the resizing, and the classes of the values; null for the defaults.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A size is below 1, or an option is out of range; the message names it.
    /// </exception>
    public static MaskLoadingEstimator LoadMasks(
        this TransformsCatalog catalog, string outputColumnName, string? inputColumnName, int imageWidth,
        int imageHeight, MaskLoadingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new MaskLoadingEstimator(
            catalog, outputColumnName, inputColumnName, imageWidth, imageHeight, options ?? new());
    }

    /// <summary>
    /// Creates a <see cref="MaskColoringEstimator"/>: it colours masks over their images, for viewing.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the coloured images' column.</param>
    /// <param name="maskColumnName">The masks, <c>Vector&lt;Byte, height, width&gt;</c>, true or predicted.</param>
    /// <param name="imageColumnName">The images.</param>
    /// <param name="options">The colours, and how much they cover; null for the defaults.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    public static MaskColoringEstimator ColorMasks(
        this TransformsCatalog catalog, string outputColumnName, string maskColumnName, string imageColumnName,
        MaskColoringOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new MaskColoringEstimator(catalog, outputColumnName, maskColumnName, imageColumnName, options ?? new());
    }

    /// <summary>
    /// Creates a <see cref="NetworkAdaptationEstimator"/>: it fine-tunes a copy of the network behind a score column on
    /// the labelled rows of a domain, or adapts it without labels (<see cref="AdaptationOptions.Method"/>), and gives
    /// the scores of the copy.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the adapted network's score column.</param>
    /// <param name="inputColumnName">The score column of the network to start from.</param>
    /// <param name="options">How to train; null for the defaults.</param>
    /// <param name="rows">Which rows to train on; null for all.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    // Without a priority, new() { ... } in a call could also mean a string.
    [OverloadResolutionPriority(1)]
    public static NetworkAdaptationEstimator AdaptNetwork(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName,
        AdaptationOptions? options = null, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkAdaptationEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnName, options ?? new(), rows ?? new());
    }

    /// <summary>
    /// Creates a <see cref="NetworkAdaptationEstimator"/> for the rows of one domain, with default options.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the adapted network's score column.</param>
    /// <param name="inputColumnName">The score column of the network to start from.</param>
    /// <param name="domain">The domain whose rows are used.</param>
    /// <param name="domainColumnName">The column with the domain of each row, text or a key with text values.</param>
    /// <returns>The estimator.</returns>
    public static NetworkAdaptationEstimator AdaptNetwork(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, string domain,
        string domainColumnName = "Domain")
    {
        ArgumentException.ThrowIfNullOrEmpty(domain);
        ArgumentException.ThrowIfNullOrEmpty(domainColumnName);
        return catalog.AdaptNetwork(outputColumnName, inputColumnName, rows: RowOptions.Of(domain, domainColumnName));
    }

    /// <summary>
    /// Creates a <see cref="StatisticsRecordingEstimator"/>: it adds statistics of the source's images to a copy of the
    /// network behind a score column, so that sites without labels can adapt it although its batch normalizations are
    /// folded, and gives the scores of the copy, which are the same.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the copy's score column.</param>
    /// <param name="inputColumnName">The score column of the network.</param>
    /// <param name="rows">Which rows to measure, without labels; null for all.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    public static StatisticsRecordingEstimator RecordStatistics(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new StatisticsRecordingEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnName, rows ?? new());
    }

    /// <summary>
    /// Creates a <see cref="NetworkQuantizationEstimator"/>: it quantizes a copy of the network behind a score column
    /// on the unlabelled images of a domain with HDRQ, so that it can be merged with others, and gives the scores of
    /// the copy.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the quantized network's score column.</param>
    /// <param name="inputColumnName">The score column of the network to quantize.</param>
    /// <param name="options">The bits, and how to quantize; null for the defaults.</param>
    /// <param name="rows">Which rows to read, at most 256 by default; null for the defaults.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    public static NetworkQuantizationEstimator QuantizeHdrq(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, HdrqOptions? options = null,
        RowOptions? rows = null) =>
        catalog.QuantizeNetwork(outputColumnName, inputColumnName, options ?? new(), rows);

    /// <summary>
    /// Creates a <see cref="NetworkQuantizationEstimator"/> for HDRQ with given bits on the rows of one domain, with
    /// default options otherwise.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the quantized network's score column.</param>
    /// <param name="inputColumnName">The score column of the network to quantize.</param>
    /// <param name="weightBits">Bits of the weights, 2 to 8; the first and the last layers always have 8.</param>
    /// <param name="activationBits">
    /// Bits of the activations that layers read, 2 to 8; the last layers always read 8 bits.
    /// </param>
    /// <param name="domain">The domain whose rows are used; null for all rows.</param>
    /// <param name="domainColumnName">
    /// The column with the domain of each row, text or a key with text values; not read if all rows are used.
    /// </param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The bits are out of range, or the domain or its column is empty; the message names it.
    /// </exception>
    public static NetworkQuantizationEstimator QuantizeHdrq(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, int weightBits,
        int activationBits, string? domain = null, string domainColumnName = "Domain")
    {
        var options = new HdrqOptions { WeightBits = weightBits, ActivationBits = activationBits };
        return catalog.QuantizeHdrq(
            outputColumnName, inputColumnName, options, RowOptions.Of(domain, domainColumnName));
    }

    /// <summary>
    /// Creates a <see cref="NetworkQuantizationEstimator"/>: it quantizes a copy of the network behind a score column
    /// on the unlabelled images of a domain with the method that the type of the options selects, and gives the scores
    /// of the copy. For networks that are to be merged, start with
    /// <see cref="QuantizeHdrq(TransformsCatalog, string, string, HdrqOptions, RowOptions)"/>; this method is for
    /// comparing it with other ones.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the quantized network's score column.</param>
    /// <param name="inputColumnName">The score column of the network to quantize.</param>
    /// <param name="options">
    /// The method, the bits, and how to quantize: <see cref="RoundToNearestOptions"/>, <see cref="AdaRoundOptions"/>,
    /// <see cref="BrecqOptions"/>, <see cref="QDropOptions"/> or <see cref="HdrqOptions"/>.
    /// </param>
    /// <param name="rows">Which rows to read, at most 256 by default; null for the defaults.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    public static NetworkQuantizationEstimator QuantizeNetwork(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, QuantizationOptions options,
        RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkQuantizationEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnName, options, rows ?? new());
    }

    /// <summary>
    /// Creates a <see cref="NetworkMergingEstimator"/>: it merges the networks behind score columns with equal weights,
    /// and gives the scores of the merged network.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the merged network's score column.</param>
    /// <param name="inputColumnNames">The score columns of the networks to merge, at least two.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">There are fewer than two columns.</exception>
    public static NetworkMergingEstimator MergeNetworks(
        this TransformsCatalog catalog, string outputColumnName, params string[] inputColumnNames) =>
        catalog.MergeNetworks(outputColumnName, inputColumnNames, new MergeOptions());

    /// <summary>
    /// Creates a <see cref="NetworkMergingEstimator"/> with options for the networks behind score columns. The merged
    /// network is applied like the first of them, with the same engine and threads.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the merged network's score column.</param>
    /// <param name="inputColumnNames">The score columns of the networks to merge, at least two.</param>
    /// <param name="options">How to merge.</param>
    /// <param name="search">
    /// How to search the networks' weights on the rows that the estimator is fitted to; null, the default, to use the
    /// weights of the options.
    /// </param>
    /// <param name="rows">
    /// Which of the rows that the estimator is fitted to are of the networks' places, to merge better by
    /// <see cref="MergeOptions.Refinement"/>; null, the default, to merge without rows.
    /// </param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">
    /// There are fewer than two columns, or the options' weights or the domains of the rows do not fit them.
    /// </exception>
    public static NetworkMergingEstimator MergeNetworks(
        this TransformsCatalog catalog, string outputColumnName, IReadOnlyList<string> inputColumnNames,
        MergeOptions options, MergeWeightSearch? search = null, MergeRows? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkMergingEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnNames, options, search, rows);
    }

    /// <summary>
    /// Creates a <see cref="NetworkMergingEstimator"/> for networks from elsewhere, such as ONNX files of other sites:
    /// it merges them with equal weights, and applies the merged network to a column.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the merged network's score column.</param>
    /// <param name="inputColumnName">The column that the merged network is applied to.</param>
    /// <param name="networks">
    /// The networks, at least two. The caller keeps them; they are read when the estimator is fitted.
    /// </param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">
    /// There are fewer than two networks, or one does not have exactly one input.
    /// </exception>
    public static NetworkMergingEstimator MergeNetworks(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, params Network[] networks) =>
        catalog.MergeNetworks(outputColumnName, inputColumnName, networks, new MergeOptions());

    /// <summary>Creates a <see cref="NetworkMergingEstimator"/> with options for networks from elsewhere.</summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the merged network's score column.</param>
    /// <param name="inputColumnName">The column that the merged network is applied to.</param>
    /// <param name="networks">
    /// The networks, at least two. The caller keeps them; they are read when the estimator is fitted.
    /// </param>
    /// <param name="options">How to merge.</param>
    /// <param name="scoring">
    /// How the merged network is applied: engine, threads, names of classes, device. Null for the defaults of
    /// <c>ApplyNetwork</c>.
    /// </param>
    /// <param name="search">
    /// How to search the networks' weights on the rows that the estimator is fitted to; null, the default, to use the
    /// weights of the options.
    /// </param>
    /// <param name="rows">
    /// Which of the rows that the estimator is fitted to are of the networks' places, to merge better by
    /// <see cref="MergeOptions.Refinement"/>; null, the default, to merge without rows.
    /// </param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">
    /// There are fewer than two networks, or one does not have exactly one input; or the options' weights or the
    /// domains of the rows do not fit them.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option of <paramref name="scoring"/> is out of range, or does not fit the networks; the message names it.
    /// </exception>
    public static NetworkMergingEstimator MergeNetworks(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName,
        IReadOnlyList<Network> networks, MergeOptions options, ScoringOptions? scoring = null,
        MergeWeightSearch? search = null, MergeRows? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkMergingEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnName, networks, options, scoring ?? new(),
            search, rows);
    }

    /// <summary>
    /// Creates a <see cref="NetworkMergingEstimator"/> for ONNX files of many or large networks, which are read one after
    /// another when the estimator is fitted: <see cref="NetworkMerger.MergeFiles"/>.
    /// </summary>
    /// <param name="catalog">The transforms of an <see cref="MLContext"/>.</param>
    /// <param name="outputColumnName">The name of the merged network's score column.</param>
    /// <param name="inputColumnName">The column that the merged network is applied to.</param>
    /// <param name="files">The files, at least two. The first is read at once.</param>
    /// <param name="options">How to merge; null for the defaults.</param>
    /// <param name="scoring">
    /// How the merged network is applied: engine, threads, names of classes, device. Null for the defaults of
    /// <c>ApplyNetwork</c>.
    /// </param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">
    /// There are fewer than two files, the first network does not have exactly one input, or the options' weights do not
    /// fit the files.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option of <paramref name="scoring"/> is out of range, or does not fit the networks; the message names it.
    /// </exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The first file is not a well-formed ONNX model.</exception>
    public static NetworkMergingEstimator MergeNetworks(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, IReadOnlyList<string> files,
        MergeOptions? options = null, ScoringOptions? scoring = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new NetworkMergingEstimator(
            CatalogEnvironment.Of(catalog), outputColumnName, inputColumnName, files, options ?? new(),
            scoring ?? new());
    }

    /// <summary>
    /// Measures the next layers of a merged draft on the unlabelled rows of a place, so that they are merged again
    /// elsewhere: <see cref="NetworkMerger.MergeAgain"/>.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">The rows, with the column that the networks read.</param>
    /// <param name="inputColumnName">That column.</param>
    /// <param name="draft">The draft.</param>
    /// <param name="network">The place's own network, one of those that were merged.</param>
    /// <param name="rows">
    /// Which rows to read, 256 drawn at random by default; the seed, the device, its threads, and cancellation. Null for
    /// the defaults.
    /// </param>
    /// <returns>The moments, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of range, or a column is missing or has the wrong type.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// There are fewer rows than <see cref="MergeMoments.MinImages"/>, the draft is finished or no merged network, or
    /// the network is none of those that were merged.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, a row cannot be read, or the GPU is not available.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static MergeMoments MeasureForMerge(
        this ModelOperationsCatalog catalog, IDataView data, string inputColumnName, Network draft, Network network,
        RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(draft);
        ArgumentNullException.ThrowIfNull(network);
        return PlaceWork.Measure(
            CatalogEnvironment.Of(catalog), data, inputColumnName, draft, network, rows ?? new());
    }

    /// <summary>
    /// Trains a merged network on the unlabelled rows of one place to give there what the place's own network gives,
    /// and holds it to what it gives at the other places: <see cref="NetworkMerger.DistillAtPlace"/>.
    /// </summary>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="data">The rows, with the column that the networks read.</param>
    /// <param name="inputColumnName">That column.</param>
    /// <param name="draft">
    /// A merged network that keeps the moments of those that it was merged from
    /// (<see cref="MergeOptions.KeepMoments"/>), or what this method gave at another place.
    /// </param>
    /// <param name="network">The place's own network, one of those that were merged.</param>
    /// <param name="options">The options of training; null for the defaults.</param>
    /// <param name="keepMoments">Whether the result keeps the moments, for the next place.</param>
    /// <param name="rows">
    /// Which rows to read, 256 drawn at random by default; the seed, the device, its threads, and cancellation. Null for
    /// the defaults.
    /// </param>
    /// <returns>The trained network, in host memory, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of range, or a column is missing or has the wrong type.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The draft is no merged network, keeps no moments, or is in the middle of a second round; the network is none of
    /// those that were merged; or the rows look like those of another place.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows, a row cannot be read, the GPU is not available, or the loss is no longer finite.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Network DistillAtPlace(
        this ModelOperationsCatalog catalog, IDataView data, string inputColumnName, Network draft, Network network,
        DistillationOptions? options = null, bool keepMoments = true, RowOptions? rows = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(draft);
        ArgumentNullException.ThrowIfNull(network);
        return PlaceWork.Distill(
            CatalogEnvironment.Of(catalog), data, inputColumnName, draft, network, options ?? new(), keepMoments,
            rows ?? new());
    }

    /// <summary>
    /// Evaluates a classifier for each domain with ML.NET, and gives the harmonic mean of the domains' accuracies
    /// (<see cref="MulticlassClassificationMetrics.MicroAccuracy"/>).
    /// </summary>
    /// <param name="catalog">
    /// The <see cref="MLContext.MulticlassClassification"/> of an <see cref="MLContext"/>.
    /// </param>
    /// <param name="data">Scored data; the columns named here are kept in memory.</param>
    /// <param name="domainColumnName">The column with the domain of each row, text or a key with text values.</param>
    /// <param name="labelColumnName">
    /// The true classes, a key. If both keys have text values, the classes are matched by name, in any order.
    /// </param>
    /// <param name="scoreColumnName">
    /// The scores, from which the metrics follow: the score column of any network of a pipeline.
    /// </param>
    /// <param name="predictedLabelColumnName">
    /// The predicted classes, a key, as ML.NET asks for it; in a pipeline of several networks, the last one's does for
    /// all.
    /// </param>
    /// <returns>The metrics.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing or has the wrong type, or the network's classes have no names and are not as many as those
    /// of the labels.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A row is of a class that is not among the predicted ones; the message names it.
    /// </exception>
    public static MultiDomainMetrics<MulticlassClassificationMetrics> EvaluateByDomain(
        this MulticlassClassificationCatalog catalog, IDataView data, string domainColumnName = "Domain",
        string labelColumnName = "Label", string scoreColumnName = "Score",
        string predictedLabelColumnName = "PredictedLabel")
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return DomainEvaluation.Evaluate(
            catalog, data, domainColumnName, labelColumnName, scoreColumnName, predictedLabelColumnName);
    }

    extension(MLContext context)
    {
        /// <summary>Semantic segmentation: the evaluation of masks.</summary>
        public SegmentationCatalog SemanticSegmentation
        {
            get
            {
                ArgumentNullException.ThrowIfNull(context);
                return new SegmentationCatalog(context);
            }
        }
    }
}

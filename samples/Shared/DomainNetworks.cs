using Hdrq.Samples.Data;
using Hdrq.Samples.Report;
using Hdrq.Samples.Results;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Scoring;

namespace Hdrq.Samples;

/// <summary>
/// Makes and measures networks of one task. Every step is an ordinary ML.NET pipeline that is fitted to the images of one domain, as it would be where these images are; the README has all steps in one.
/// </summary>
internal abstract class DomainNetworks(MLContext context, SampleOptions options)
{
    /// <summary>The column that networks read.</summary>
    public const string Pixels = "Pixels";

    /// <summary>The column of the truth.</summary>
    public const string Label = "Label";

    /// <summary>The column that networks write.</summary>
    protected const string Score = "Score";

    /// <summary>The task.</summary>
    public abstract SampleTask Task { get; }

    /// <summary>All domains, the source's first.</summary>
    public abstract IReadOnlyList<string> Domains { get; }

    protected MLContext Context => context;

    protected SampleOptions Options => options;

    /// <summary>The files that a domain's networks are trained and quantized on.</summary>
    public abstract IEnumerable<string> TrainingFiles(string domain);

    /// <summary>The files that networks are measured on in a domain.</summary>
    public abstract IEnumerable<string> TestFiles(string domain);

    /// <summary>How well a network does on the test images of some domains, domain after domain.</summary>
    public abstract IEnumerable<DomainScore> Measure(Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken);

    /// <summary>Writes pictures of what networks give, where the task has such; does nothing unless overridden.</summary>
    /// <param name="results">The results.</param>
    /// <param name="folder">Where the networks are, and the pictures shall be.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public virtual void Illustrate(ResultsDocument results, string folder, CancellationToken cancellationToken)
    {
    }

    /// <summary>The source network: from its file, or a small one trained on the first domain.</summary>
    public Network Source(IProgress<FineTuningProgress> progress, CancellationToken cancellationToken)
    {
        if (options.Network is not null)
            return Read(options.Network);
        using var created = CreateSource();
        return Fit(
            context.Transforms.ApplyNetwork("Untrained", Pixels, created, new ScoringOptions { Normalization = options.Normalization })
                .Append(context.Transforms.AdaptNetwork(Score, "Untrained", SourceTraining with { Progress = progress }, Rows(cancellationToken))),
            Domains[0], cancellationToken);
    }

    /// <summary>A network from a file, with the normalization of its input as its first nodes.</summary>
    public Network Read(string path)
    {
        using var network = Network.LoadOnnx(path);
        return Fit(context.Transforms.ApplyNetwork(Score, Pixels, network, new ScoringOptions { Normalization = options.Normalization }), Domains[0], default);
    }

    /// <summary>The source network, adapted to the labelled images of a domain.</summary>
    public Network Adapt(Network source, string domain, IProgress<FineTuningProgress> progress, CancellationToken cancellationToken) => Fit(
        context.Transforms.ApplyNetwork("Source", Pixels, source).Append(context.Transforms.AdaptNetwork(Score, "Source", Adaptation with { Progress = progress }, Rows(cancellationToken))),
        domain, cancellationToken);

    /// <summary>An adapted network, quantized on the images of its domain, without their labels.</summary>
    public Network Quantize(Network source, Network adapted, string domain, QuantizationOptions settings, int seed, IProgress<QuantizationProgress> progress, CancellationToken cancellationToken) => Fit(
        context.Transforms.ApplyNetwork("Adapted", Pixels, adapted)
            .Append(context.Transforms.QuantizeNetwork(Score, "Adapted", settings with { Source = source, Progress = progress }, Rows(cancellationToken) with { MaxRows = options.CalibrationImages, Seed = seed })),
        domain, cancellationToken);

    /// <summary>One network of several, without images.</summary>
    public Network Merge(IReadOnlyList<Network> networks, MergeOptions merging) =>
        Fit(context.Transforms.MergeNetworks(Score, Pixels, networks, merging), Domains[0], default);

    /// <summary>What a network says of some test images of each of some domains, for people to look at.</summary>
    public virtual IReadOnlyList<SamplePrediction> Predict(Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken) => [];

    /// <summary>What the colours of predicted pictures mean, as CSS; empty where predictions are no pictures.</summary>
    public virtual IReadOnlyList<(string Name, string Colour)> PictureKey => [];

    /// <summary>Has networks analysed on the labelled test images of a domain.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="parts">The networks.</param>
    /// <param name="analyse">Given the data and the names of the networks' score columns in it.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public T Analyse<T>(string domain, IReadOnlyList<Network> parts, Func<ModelOperationsCatalog, IDataView, IReadOnlyList<string>, T> analyse, CancellationToken cancellationToken)
    {
        var data = Images(domain, DataSplit.Test, cancellationToken);
        var (applied, columns) = (new List<NetworkTransformer>(), new List<string>());
        try
        {
            foreach (var part in parts)
            {
                columns.Add($"{Score}{columns.Count}");
                applied.Add(context.Transforms.ApplyNetwork(columns[^1], Pixels, part, new ScoringOptions { Engine = ScoringEngineKind.Torch }).Fit(data));
                data = applied[^1].Transform(data);
            }
            return analyse(context.Model, data, columns);
        }
        finally
        {
            applied.ForEach(transformer => transformer.Dispose());
        }
    }

    /// <summary>Saves a network as an ML.NET model that reads image files, for applications that have neither this library nor Torch.</summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file, a zip.</param>
    public void SaveModel(Network network, string path)
    {
        var (pipeline, rows) = Serving(network);
        var model = pipeline.Fit(rows);
        try
        {
            context.Model.Save(model, rows.Schema, path);
        }
        finally
        {
            (model as IDisposable)?.Dispose();
        }
    }

    /// <summary>From image files to predictions, without what only training and measuring need.</summary>
    /// <param name="network">The network that predicts.</param>
    /// <returns>The pipeline, and rows as it takes them.</returns>
    protected abstract (IEstimator<ITransformer> Pipeline, IDataView Rows) Serving(Network network);

    /// <summary>A source network that has not been trained.</summary>
    protected abstract Network CreateSource();

    /// <summary>How a source network is trained from the beginning.</summary>
    protected abstract AdaptationOptions SourceTraining { get; }

    /// <summary>How a source network is adapted to a domain.</summary>
    protected abstract AdaptationOptions Adaptation { get; }

    /// <summary>The images of a domain as <see cref="Pixels"/> and <see cref="Label"/>, read when a cursor asks for them.</summary>
    protected abstract IDataView Images(string domain, DataSplit split, CancellationToken cancellationToken);

    /// <summary>All rows, with the seed of the run.</summary>
    private RowOptions Rows(CancellationToken cancellationToken) => new() { Seed = options.Seed, CancellationToken = cancellationToken };

    /// <summary>The network of an estimator that is fitted to the training images of a domain, in host memory.</summary>
    private Network Fit(IEstimator<NetworkTransformer> estimator, string domain, CancellationToken cancellationToken)
    {
        using var fitted = estimator.Fit(Images(domain, DataSplit.Train, cancellationToken));
        return fitted.Network.To(TorchSharp.torch.CPU);
    }

    private Network Fit(EstimatorChain<NetworkTransformer> chain, string domain, CancellationToken cancellationToken)
    {
        using var fitted = chain.Fit(Images(domain, DataSplit.Train, cancellationToken));
        return fitted.LastTransformer.Network.To(TorchSharp.torch.CPU);
    }
}

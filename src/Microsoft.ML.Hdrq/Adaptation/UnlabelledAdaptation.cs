using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Adapts a network to the images of a site that has no labels.</summary>
/// <param name="source">The network, on the device to compute on; not changed.</param>
/// <param name="images">The images, [images, ...].</param>
/// <param name="options">What to do.</param>
/// <param name="seed">The seed of all random draws.</param>
/// <param name="warn">Told what an application should know.</param>
/// <param name="cancellationToken">Cancels between two batches.</param>
internal sealed class UnlabelledAdaptation(
    Network source, torch.Tensor images, AdaptationOptions options, int seed, Action<string> warn,
    CancellationToken cancellationToken)
{
    /// <summary>Adapts the network.</summary>
    /// <returns>The network, owned by the caller, and what became of it.</returns>
    /// <exception cref="ArgumentException">The method does not suit the network.</exception>
    public (Network Network, AdaptationReport Report) Run()
    {
        using var scope = torch.NewDisposeScope();
        var probabilities = Probabilities(source);
        var before = UnlabelledScores.Of(probabilities, probabilities);
        using var start = Start();
        var moved = UnlabelledScores.Of(Probabilities(start), probabilities);
        // Of one class, of few images and of images of something else, the statistics say the wrong thing, and what is
        // learned from there looks well by any of the scores.
        if (options.KeepSourceIfWorse && Statistics.AreIn(source) && !(moved.MeanEntropy < before.MeanEntropy))
        {
            return Kept(moved,
                "with the statistics of these images it is no surer of them (mean entropy "
                + Change(before.MeanEntropy, moved.MeanEntropy)
                + "), as where they are of one class, too few, like those of the source, or of something else");
        }
        var adapted = options.Method == AdaptationMethod.Student ? Student(start) : Adapt(start, options);
        try
        {
            var after = UnlabelledScores.Of(Probabilities(adapted), probabilities);
            if (!options.KeepSourceIfWorse || after.Information >= before.Information)
                return (adapted, new(options.Method, (int)images.shape[0], null, before, after));
            adapted.Dispose();
            return Kept(after,
                "the adapted one tells the images apart less well (information "
                + Change(before.Information, after.Information) + ")");
        }
        catch
        {
            adapted.Dispose();
            throw;
        }

        (Network, AdaptationReport) Kept(UnlabelledScores after, string reason) =>
            (source.Clone(), new(options.Method, (int)images.shape[0], reason, before, after));
    }

    private static string Change(double before, double after) =>
        string.Create(CultureInfo.InvariantCulture, $"{before:0.000} before, {after:0.000} after");

    /// <summary>How the network is adapted that learns first.</summary>
    private AdaptationOptions First => options.Method != AdaptationMethod.Student
        ? options
        : options.Teacher ?? new()
        {
            Method = source.Graph.Outputs[0].Shape.Length > 2
                ? AdaptationMethod.SelfTraining
                : AdaptationMethod.Shot,
            BatchSize = options.BatchSize,
            CheckpointDirectory = options.CheckpointDirectory,
            CropPadding = options.CropPadding,
            CropSize = options.CropSize,
            HorizontalFlip = options.HorizontalFlip,
            SourceStatisticsWeight = options.SourceStatisticsWeight,
        };

    /// <summary>The network that adapting starts from: with the site's statistics, if it has any.</summary>
    private Network Start()
    {
        if (Statistics.AreIn(source))
        {
            return Statistics.Adapt(
                source, images, First.SourceStatisticsWeight, First.BatchSize, seed, cancellationToken);
        }
        warn("the network has no statistics that could be brought to these images: its normalizations are folded into "
            + "its layers, or of a kind without any. RecordStatistics, on images of the source, gives it some.");
        return source.Clone();
    }

    private torch.Tensor Probabilities(Network network)
    {
        using var logits = Logits.Copy(network, network.Device);
        return UnlabelledScores.Probabilities(logits, images, options.BatchSize, cancellationToken);
    }

    private Network Student(Network start)
    {
        var teaching = First;
        using var teacher = Adapt(start, teaching with { Progress = Stage(0, 0, Steps(options)) });
        using var objective = new TeacherObjective(teacher);
        var epochsBefore = teaching.Method == AdaptationMethod.Statistics ? 0 : teaching.Epochs;
        return Train(source, objective, options with { Progress = Stage(Steps(teaching), epochsBefore, 0) });
    }

    /// <summary>Adapts a network by a method that needs no other.</summary>
    private Network Adapt(Network start, AdaptationOptions method)
    {
        if (method.Method == AdaptationMethod.Statistics)
            return start.Clone();
        using TrainingObjective objective = method.Method switch
        {
            AdaptationMethod.Shot => new InformationObjective(start, images, method.BatchSize),
            AdaptationMethod.InformationMaximization => new InformationObjective(start, null, method.BatchSize),
            AdaptationMethod.SelfTraining => new SelfTrainingObjective(start, images, method),
            AdaptationMethod.Entropy => new EntropyObjective(start.Graph),
            _ => throw new InvalidOperationException($"{method.Method} does not adapt without labels."),
        };
        return Train(start, objective, method);
    }

    private Network Train(Network start, TrainingObjective objective, AdaptationOptions training) =>
        FineTuning.Train(start, images, objective, training, ignoredLabel: -1, seed, cancellationToken);

    private StageProgress? Stage(int stepsBefore, int epochsBefore, int stepsAfter) =>
        options.Progress is { } progress ? new(progress, stepsBefore, epochsBefore, stepsAfter) : null;

    /// <summary>The number of steps of a training.</summary>
    private int Steps(AdaptationOptions training) => training.Method == AdaptationMethod.Statistics
        ? 0
        : FineTuning.StepsPerEpoch(source.Graph, images.shape[0], training.BatchSize) * training.Epochs;
}

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
    /// <summary>
    /// The share of a site's statistics, relative to the whole, that is tried besides the whole. A network that was
    /// never trained with statistics of its own images is thrown out by whole ones of others; and with a part, the
    /// images of few classes still look like few classes, which with the whole they do not.
    /// </summary>
    private const double Part = 0.3;

    /// <summary>
    /// The share of the classes that a classifier must find among the images with a part of their statistics. With
    /// domains of 7 and 10 classes it finds at least 83 %, with one to three of these classes at most 73 %.
    /// </summary>
    private const double MinClassesWithPart = 0.78;

    /// <summary>
    /// The share of the classes from which on a network is not lost among the images, and moved statistics do more harm
    /// than good. A network that was adapted to the place, or merged from one that was, finds at least 94 %, one that
    /// was not at most 76 %.
    /// </summary>
    private const double EnoughClasses = 0.9;

    /// <summary>The share of the most information with which it is not merely unsure of everything.</summary>
    private const double EnoughInformation = 0.6;

    /// <summary>
    /// How far the statistics of a site must at least be from the source's, see <see cref="Statistics"/>. The source's
    /// own images are nearer: there is nothing to adapt to, and what is learned from them is lost elsewhere.
    /// </summary>
    private const double MinDifference = 0.02;

    /// <summary>
    /// The share of the information on the images that must be left with their statistics. A source that is sure of
    /// what it sees seems to know much, also where it is wrong.
    /// </summary>
    private const double MinInformation = 0.9;

    /// <summary>The fewest images that a classifier learns from.</summary>
    private const int MinImages = 16;

    /// <summary>The fewest images that a network learns from that classifies their pixels.</summary>
    private const int MinImagesWithPixels = 4;

    private const string WithoutStatistics =
        "the network has no statistics that could be brought to these images: its normalizations are folded into its "
        + "layers, or of a kind without any. RecordStatistics, on images of the source, gives it some.";

    /// <summary>The share of the classes that a network without statistics must find among the images.</summary>
    private const double MinClasses = 0.5;

    /// <summary>The share of the images whose class must be the same after training as before.</summary>
    private const double MinAgreement = 0.5;

    private readonly bool _hasStatistics = Statistics.AreIn(source);
    private readonly AdaptationOptions _first = First(source, options);

    /// <summary>Adapts the network.</summary>
    /// <returns>The network, owned by the caller, and what became of it.</returns>
    /// <exception cref="ArgumentException">The method does not suit the network.</exception>
    public (Network Network, AdaptationReport Report) Run()
    {
        using var scope = torch.NewDisposeScope();
        var probabilities = Probabilities(source);
        var before = UnlabelledScores.Of(probabilities, probabilities);
        if (!_hasStatistics && _first.Method == AdaptationMethod.Statistics)
            return Result(source.Clone(), before, WithoutStatistics);
        using var whole = Start(1, out var difference);
        using var part = _hasStatistics ? Start(Part, out _) : null;
        // Without statistics, all that training could start from is the source.
        var wholeProbabilities = _hasStatistics ? Probabilities(whole) : probabilities;
        var partProbabilities = part is null ? probabilities : Probabilities(part);
        var moved = UnlabelledScores.Of(wholeProbabilities, probabilities);
        var movedPart = UnlabelledScores.Of(partProbabilities, probabilities);
        // The more informative start is the better one.
        var isPart = movedPart.Information > moved.Information;
        var (start, startProbabilities) = isPart ? (part!, partProbabilities) : (whole, wholeProbabilities);
        moved = isPart ? movedPart : moved;
        if (options.KeepSourceIfWorse && Harm(before, moved, movedPart, difference, probabilities.shape) is { } harm)
            return Result(source.Clone(), moved, harm);
        var adapted = options.Method == AdaptationMethod.Student ? Student(start) : Adapt(start, options);
        try
        {
            var after = Probabilities(adapted);
            var scores = UnlabelledScores.Of(after, probabilities);
            if (!double.IsFinite(scores.Information))
            {
                throw new InvalidOperationException(
                    $"The scores are not finite after training: {FineTuning.TooLarge(options)}");
            }
            var agreement = UnlabelledScores.Agreement(after, startProbabilities);
            if (!options.KeepSourceIfWorse || agreement >= MinAgreement)
                return Result(adapted, scores, null);
            adapted.Dispose();
            return Result(source.Clone(), scores,
                string.Create(CultureInfo.InvariantCulture, $"training left only {agreement:0.0%} of the images in the ")
                + "classes in which it saw them with the statistics of these images, before training: take more images or "
                + "more epochs, or a lower rate.");
        }
        catch
        {
            adapted.Dispose();
            throw;
        }

        (Network, AdaptationReport) Result(Network network, UnlabelledScores after, string? kept) =>
            (network, new(options.Method, (int)images.shape[0], kept, before, after));
    }

    /// <summary>
    /// Why the images are not fit to learn from; null if they seem to be. What is learned from images of one class
    /// looks well by any of the scores once it is learned, so that it has to be told before.
    /// </summary>
    private string? Harm(
        UnlabelledScores before, UnlabelledScores moved, UnlabelledScores part, double difference, long[] shape)
    {
        var least = IsSegmenter(source) ? MinImagesWithPixels : MinImages;
        if (images.shape[0] < least)
            return $"of {Count(images.shape[0])} too little can be learned; {least} are the least.";
        if (!_hasStatistics)
            return FewClasses(before, Math.Min(shape[0], shape[1]), MinClasses);
        if (difference < MinDifference)
        {
            return "the statistics of these images are those of the source's own (they differ by "
                + $"{difference.ToString("0.000", CultureInfo.InvariantCulture)}), so that there is nothing to adapt to, "
                + "or these are not the images of the place.";
        }
        // Of few images fewer classes are found (Miller, 1955), and at most one each.
        var (fewer, more) = (Math.Min(shape[0], shape[1]), Math.Max(shape[0], shape[1]));
        var possible = fewer * Math.Exp(-(fewer - 1) / (2.0 * more));
        if (!IsSegmenter(source))
        {
            if (FewClasses(part, possible, MinClassesWithPart) is { } few)
                return few;
            if (_first.Method == AdaptationMethod.Statistics && Math.Exp(before.ClassEntropy) is var found
                && found >= EnoughClasses * possible
                && before.Information >= EnoughInformation * Math.Log(shape[1]))
            {
                return string.Create(CultureInfo.InvariantCulture,
                    $"it knows these images already: it finds about {found:0.0} of {possible:0.0} classes among them.");
            }
        }
        return moved.Information > MinInformation * before.Information
            ? null
            : "the statistics of these images tell them apart worse than the source's (information "
                + $"{Change(before.Information, moved.Information)}).";

        static string? FewClasses(UnlabelledScores scores, double possible, double share) =>
            Math.Exp(scores.ClassEntropy) is var found && found >= share * possible
                ? null
                : string.Create(CultureInfo.InvariantCulture,
                    $"it finds about {found:0.0} classes among these images, where {possible:0.0} are to be expected, ")
                    + "as where they are of few classes, of something else, or not normalized as the network wants it.";
    }

    private static string Count(long images) => images == 1 ? "1 image" : $"{images} images";

    private static string Change(double before, double after) =>
        string.Create(CultureInfo.InvariantCulture, $"{before:0.000} before, {after:0.000} after");

    /// <summary>Checks that a network suits the options, before there are images.</summary>
    /// <exception cref="ArgumentException">It does not; the message says why.</exception>
    public static void Check(Network network, AdaptationOptions options)
    {
        if (network.IsQuantized)
            CheckQuantized(network, options);
        switch (First(network, options).Method)
        {
            case AdaptationMethod.Shot when IsSegmenter(network):
                throw new ArgumentException(
                    $"{AdaptationMethod.Shot} finds one label for each image, and the network classifies pixels; "
                    + $"{AdaptationMethod.SelfTraining} and {AdaptationMethod.InformationMaximization} do that.");
            case AdaptationMethod.Shot:
                InformationObjective.Check(network.Graph, findsLabels: true);
                break;
            case AdaptationMethod.InformationMaximization:
                InformationObjective.Check(network.Graph, findsLabels: false);
                break;
            case AdaptationMethod.Entropy:
                EntropyObjective.Check(network.Graph);
                break;
        }
    }

    /// <summary>Of a quantized network, only scales and biases change.</summary>
    private static void CheckQuantized(Network network, AdaptationOptions options)
    {
        if (options.Method != AdaptationMethod.Statistics)
        {
            throw new ArgumentException(
                $"The network is quantized; by {options.Method}, a network is adapted in full precision. "
                + $"{AdaptationMethod.Statistics} brings scales and biases of a quantized one to a site.");
        }
        if (!Statistics.AreIn(network))
        {
            throw new ArgumentException(
                "The network is quantized and carries no statistics of the source's images to compare a site's with. "
                + "Quantizing keeps those of batch normalizations, and those that RecordStatistics has measured on "
                + "images of the source.");
        }
    }

    private static bool IsSegmenter(Network network) => network.Graph.Outputs[0].Shape.Length > 2;

    /// <summary>How a network is adapted that learns first.</summary>
    private static AdaptationOptions First(Network network, AdaptationOptions options) =>
        options.Method != AdaptationMethod.Student
            ? options
            : options.Teacher ?? new()
            {
                Method = IsSegmenter(network) ? AdaptationMethod.SelfTraining
                    // Labels are found among the features that the last layer reads.
                    : network.Graph.Layers.Last is null ? AdaptationMethod.InformationMaximization
                    : AdaptationMethod.Shot,
                BatchSize = options.BatchSize,
                CheckpointDirectory = options.CheckpointDirectory,
                CropPadding = options.CropPadding,
                CropSize = options.CropSize,
                HorizontalFlip = options.HorizontalFlip,
                SourceStatisticsWeight = options.SourceStatisticsWeight,
            };

    /// <summary>A network that adapting can start from: with the site's statistics, if it has any.</summary>
    /// <param name="part">How much of the site's statistics, from 0 to 1.</param>
    /// <param name="difference">How far the site's statistics are from the source's.</param>
    private Network Start(double part, out double difference)
    {
        difference = 0;
        if (!_hasStatistics)
        {
            warn(WithoutStatistics);
            return source.Clone();
        }
        var count = images.shape[0];
        return Statistics.Adapt(
            source, images, part * count / (count + (double)_first.SourceStatisticsWeight), _first.BatchSize, seed,
            out difference, cancellationToken);
    }

    private torch.Tensor Probabilities(Network network)
    {
        using var logits = Logits.Copy(network, network.Device);
        return UnlabelledScores.Probabilities(logits, images, options.BatchSize, cancellationToken);
    }

    private Network Student(Network start)
    {
        using var teacher = Adapt(start, _first with { Progress = Stage(0, 0, Steps(options)) });
        using var objective = new TeacherObjective(teacher);
        var epochsBefore = _first.Method == AdaptationMethod.Statistics ? 0 : _first.Epochs;
        return Train(source, objective, options with { Progress = Stage(Steps(_first), epochsBefore, 0) });
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

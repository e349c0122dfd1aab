using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>How a network is adapted. The defaults suit a well-trained network and images of another domain.</summary>
public sealed record AdaptationOptions
{
    /// <summary>The most images that statistics of the source may count as.</summary>
    private const int MaxSourceWeight = 1_000_000;

    private const double MaxDistanceWeight = 1e6;

    private readonly int? _epochs;
    private readonly double? _learningRate;

    /// <summary>
    /// How the network learns the domain; <see cref="AdaptationMethod.Labels"/> by default. All others read no labels.
    /// </summary>
    public AdaptationMethod Method { get; init; }

    /// <summary>
    /// How the network is adapted that a <see cref="AdaptationMethod.Student"/> learns from: any method that needs no
    /// labels, but for another student. Null, the default, for <see cref="AdaptationMethod.Shot"/> with its defaults,
    /// <see cref="AdaptationMethod.InformationMaximization"/> for networks that do not end in a layer, and
    /// <see cref="AdaptationMethod.SelfTraining"/> for those that classify pixels; shifts, crops and flips are then
    /// those of these options. Only with <see cref="AdaptationMethod.Student"/>.
    /// </summary>
    public AdaptationOptions? Teacher { get; init; }

    /// <summary>
    /// How many of the domain's images the source's statistics count as, N0, from 0 to 1,000,000, where
    /// <see cref="AdaptationMethod.Statistics"/> mixes them with those of the domain's n images; 1 by default. Few
    /// images say little about the statistics. The domain's share is n / (n + N0) at the first normalization, which
    /// sees brightness and contrast as they are, and half of that at the others.
    /// </summary>
    public int SourceStatisticsWeight { get; init; } = 1;

    /// <summary>
    /// Whether the source network is kept, with a warning, where a method without labels seems to have done harm; true
    /// by default. <see cref="AdaptationReport"/> tells the scores that decide, and what was kept.
    /// </summary>
    public bool KeepSourceIfWorse { get; init; } = true;

    /// <summary>
    /// The weight of the distance to the weights that training starts from, from 0 to 1,000,000: it is added to the
    /// loss as <c>weight sum ||W - W0||</c> over all weights W, as HDRQ has it, so that networks of several domains
    /// stay near each other. 0 by default.
    /// </summary>
    public double DistanceWeight { get; init; }

    /// <summary>
    /// The weight of each class in the loss, all positive, in the order of the scores: the cross-entropy becomes a mean
    /// that is weighted by the class of each pixel or image. Null, the default, weights all classes alike.
    /// </summary>
    public IReadOnlyList<float>? ClassWeights { get; init; }

    /// <summary>
    /// The names of the classes of a new head, at least two, distinct and not empty: the network is cut at its features
    /// and gets a head with random weights for these classes, which classifies images if the labels are a key, and
    /// pixels if they are masks; see <see cref="Network.WithClassifier"/> and <see cref="Network.WithSegmenter"/>.
    /// The result is then the source of the steps that start from it. Null, the default, keeps the network's head.
    /// </summary>
    public IReadOnlyList<string>? HeadClassNames { get; init; }

    /// <summary>
    /// The name of the value that a new head reads; null, the default, to find it. Only with
    /// <see cref="HeadClassNames"/>.
    /// </summary>
    public string? HeadFeatures { get; init; }

    /// <summary>
    /// The number of passes over the rows, from 1 to 1,000,000; 6 by default, 3 for
    /// <see cref="AdaptationMethod.Shot"/> and <see cref="AdaptationMethod.InformationMaximization"/>, 2 for
    /// <see cref="AdaptationMethod.Entropy"/>.
    /// </summary>
    public int Epochs
    {
        get => _epochs ?? Method switch
        {
            AdaptationMethod.Shot or AdaptationMethod.InformationMaximization => 3,
            AdaptationMethod.Entropy => 2,
            _ => 6,
        };
        init => _epochs = value;
    }

    /// <summary>The number of rows in a step, from 1 to 65,536; 64 by default.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>The rule that updates the weights; <see cref="FineTuningOptimizer.Sgd"/> by default.</summary>
    public FineTuningOptimizer Optimizer { get; init; } = FineTuningOptimizer.Sgd;

    /// <summary>
    /// The initial learning rate, above 0, at most 1,000; it falls to 0 along a cosine. 0.001 by default, 0.002 for
    /// <see cref="AdaptationMethod.Shot"/> and <see cref="AdaptationMethod.InformationMaximization"/>.
    /// </summary>
    public double LearningRate
    {
        get => _learningRate
            ?? (Method is AdaptationMethod.Shot or AdaptationMethod.InformationMaximization ? 2e-3 : 1e-3);
        init => _learningRate = value;
    }

    /// <summary>
    /// The initial learning rate of the head, the last layers and what follows them, positive; it falls like that of
    /// the rest. Null, the default, for <see cref="LearningRate"/>.
    /// </summary>
    public double? HeadLearningRate { get; init; }

    /// <summary>The momentum of <see cref="FineTuningOptimizer.Sgd"/>, from 0 to below 1; 0.9 by default.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>The weight decay, from 0 to 1; 0.0001 by default.</summary>
    public double WeightDecay { get; init; } = 1e-4;

    /// <summary>
    /// Whether batch normalization uses the statistics of the batch and updates the running statistics, as training
    /// from scratch needs. False, the default, keeps the running statistics.
    /// </summary>
    public bool UpdateStatistics { get; init; }

    /// <summary>
    /// The largest random shift of an image and its mask in each direction, in pixels, not negative; the border is
    /// filled by mirroring. 2 by default.
    /// </summary>
    public int CropPadding { get; init; } = 2;

    /// <summary>
    /// The side in pixels, at least 1, of the square that is cut out of each image and its mask at random in every
    /// step. An image that is lower or narrower is taken whole in that dimension. Null, the default, takes whole
    /// images. The network must accept images of any size.
    /// </summary>
    public int? CropSize { get; init; }

    /// <summary>
    /// Whether a random half of the images, with their masks, is flipped left to right; true by default. Not for text
    /// and signs.
    /// </summary>
    public bool HorizontalFlip { get; init; } = true;

    /// <summary>
    /// Which moments of its layers' inputs on the rows the adapted network carries, so that networks in full precision
    /// can be merged well; by default a few directions of each layer's, where there are at least 32 rows. Quantizing
    /// replaces them by its own. Without noise; quantized networks carry none of this step.
    /// </summary>
    public SentMoments Moments { get; init; } = new();

    /// <summary>
    /// The share of the rows, drawn at random, that are not trained on, from 0 to below 1: after every epoch the
    /// network is tried on them, the share of their images (or of the pixels of these) that it classifies correctly is
    /// reported and logged, and the network of the best epoch is the result. 0, the default, trains on all rows and
    /// takes the last epoch's network.
    /// </summary>
    public double ValidationFraction { get; init; }

    /// <summary>
    /// The number of epochs, at least 1, after which training ends early if none of them was better than the best one
    /// before. Null, the default, trains all epochs. Only with <see cref="ValidationFraction"/>.
    /// </summary>
    public int? Patience { get; init; }

    /// <summary>Receives a report after every step, on the training thread; null by default.</summary>
    public IProgress<FineTuningProgress>? Progress { get; init; }

    /// <summary>
    /// The folder in which the state after the last finished epoch is kept, created if need be; null, the default,
    /// keeps nothing. When work that was stopped, or killed, is begun again with the same network, rows, options, seed,
    /// number of threads and build of this library, it goes on after that epoch and gives the same bytes; what others
    /// have left there, or is damaged, is ignored. Steps may share a folder. It takes two to four times the space of
    /// the network's weights for each network, until you delete it, once the network is saved. A checkpoint that cannot
    /// be written is warned of, and training goes on.
    /// </summary>
    public string? CheckpointDirectory { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        CheckpointStore.Check(CheckpointDirectory);
        OptionCheck.Defined(nameof(Method), Method, "a method");
        OptionCheck.Count(nameof(Epochs), Epochs, 1, 1_000_000);
        OptionCheck.Count(nameof(SourceStatisticsWeight), SourceStatisticsWeight, 0, MaxSourceWeight);
        OptionCheck.Range(nameof(DistanceWeight), DistanceWeight, 0, MaxDistanceWeight, "from 0 to 1000000");
        OptionCheck.BatchSize(nameof(BatchSize), BatchSize);
        OptionCheck.LearningRate(nameof(LearningRate), LearningRate);
        OptionCheck.LearningRate(nameof(HeadLearningRate), HeadLearningRate);
        if (HeadClassNames is { } names && (names.Count < 2 || !ClassNameList.AreValid(names)))
        {
            throw OptionCheck.Error(nameof(HeadClassNames), string.Join(", ", names),
                $"{nameof(HeadClassNames)} must hold at least two distinct names, none of them empty.");
        }
        if (HeadFeatures is not null && HeadClassNames is null)
        {
            throw OptionCheck.Error(nameof(HeadFeatures), HeadFeatures,
                $"{nameof(HeadFeatures)} is '{HeadFeatures}', and {nameof(HeadClassNames)} is missing; "
                + "only a new head can read other features.");
        }
        OptionCheck.Range(
            nameof(ValidationFraction), ValidationFraction, 0, Math.BitDecrement(1.0), "from 0 to below 1");
        OptionCheck.Count(nameof(Patience), Patience ?? 1, 1);
        if (Patience is not null && ValidationFraction == 0)
        {
            throw OptionCheck.Error(nameof(Patience), Patience,
                $"{nameof(Patience)} is {Patience}, and {nameof(ValidationFraction)} is 0; "
                + "without rows to validate on, no epoch is better than another.");
        }
        OptionCheck.Range(nameof(Momentum), Momentum, 0, Math.BitDecrement(1.0), "from 0 to below 1");
        OptionCheck.Range(nameof(WeightDecay), WeightDecay, 0, 1, "from 0 to 1");
        OptionCheck.Count(nameof(CropPadding), CropPadding, 0, OptionCheck.MaxSide);
        OptionCheck.Count(nameof(CropSize), CropSize ?? 1, 1, OptionCheck.MaxSide);
        foreach (var weight in ClassWeights ?? [])
            OptionCheck.Range(nameof(ClassWeights), weight, float.Epsilon, float.MaxValue, "positive for every class");
        OptionCheck.Defined(nameof(Optimizer), Optimizer, "an optimizer");
        OptionCheck.Given(nameof(Moments), Moments);
        Moments.Check();
        if (Moments.Noise is not null)
        {
            throw OptionCheck.Error(nameof(Moments), Moments,
                $"{nameof(Moments)}.{nameof(SentMoments.Noise)} is given, and the inputs of layers in full precision "
                + "have no range that bounds what an image contributes; quantize the network with noise, and send "
                + "that one.");
        }
        CheckMethod();
    }

    /// <summary>Refuses options that the method does not have.</summary>
    private void CheckMethod()
    {
        var isLabelled = Method == AdaptationMethod.Labels;
        Refuse(nameof(HeadClassNames), HeadClassNames is not null && !isLabelled,
            "learns no new head: its weights are random, and only labels tell what they should be");
        Refuse(nameof(ValidationFraction), ValidationFraction != 0 && !isLabelled,
            "has no labels to validate with; its scores without labels tell whether it helped");
        Refuse(nameof(UpdateStatistics), UpdateStatistics && !isLabelled,
            "says itself what becomes of the statistics");
        Refuse(nameof(ClassWeights),
            ClassWeights is not null && !isLabelled && Method != AdaptationMethod.SelfTraining,
            "does not tell the classes of its images apart");
        Refuse(nameof(HeadLearningRate),
            HeadLearningRate is not null
                && Method is AdaptationMethod.Shot or AdaptationMethod.InformationMaximization
                    or AdaptationMethod.Entropy or AdaptationMethod.Statistics,
            "does not train the head");
        Refuse(nameof(Teacher), Teacher is not null && Method != AdaptationMethod.Student, "has no teacher");
        if (Teacher?.Method is AdaptationMethod.Labels or AdaptationMethod.Student)
        {
            throw OptionCheck.Error(nameof(Teacher), Teacher.Method,
                $"{nameof(Teacher)}.{nameof(Method)} is {Teacher.Method}; a teacher is adapted by a method that needs "
                + "neither labels nor a teacher.");
        }
        Teacher?.Check();

        void Refuse(string option, bool isWrong, string reason)
        {
            if (isWrong)
            {
                throw OptionCheck.Error(option, Method,
                    $"{option} is given, and {nameof(Method)} {Method} {reason}.");
            }
        }
    }
}

using System.Globalization;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>A method of quantization that can be compared.</summary>
/// <param name="Name">Its name on the command line and in the names of networks.</param>
/// <param name="Label">Its name in results.</param>
/// <param name="Apply">Makes its options of HDRQ's: what both have, they share.</param>
internal sealed record MethodChoice(string Name, string Label, Func<HdrqOptions, QuantizationOptions> Apply)
{
    /// <summary>
    /// All methods: the others, HDRQ, HDRQ without its parts, and rounding to nearest with corrected biases.
    /// </summary>
    public static IReadOnlyList<MethodChoice> All { get; } =
    [
        new("rtn", "RTN", hdrq => Shared(new RoundToNearestOptions(), hdrq)),
        new("adaround", "AdaRound", hdrq => Shared(new AdaRoundOptions { Training = Rounding(hdrq.Training) }, hdrq)),
        new("brecq", "BRECQ", hdrq => Shared(new BrecqOptions { Training = Rounding(hdrq.Training) }, hdrq)),
        new("qdrop", "QDrop", hdrq => Shared(new QDropOptions { Training = Dropping(hdrq.Training) }, hdrq)),
        new("hdrq", "HDRQ", hdrq => hdrq),
        new("hdrq-no-noise", "HDRQ without noise",
            hdrq => hdrq with { Training = hdrq.Training with { UseNoise = false } }),
        new("hdrq-no-distance", "HDRQ without distance",
            hdrq => hdrq with { Training = WithoutDistance(hdrq.Training) }),
        new("hdrq-neither", "HDRQ with neither",
            hdrq => hdrq with { Training = WithoutDistance(hdrq.Training) with { UseNoise = false } }),
        new("hdrq-no-mixing", "HDRQ without mixing",
            hdrq => hdrq with { Training = hdrq.Training with { DropProbability = 0 } }),
        new("rtn-corrected", "RTN, biases corrected",
            hdrq => Shared(new RoundToNearestOptions(), hdrq) with { CorrectBiases = true }),
    ];

    /// <summary>Methods by their names.</summary>
    public static IReadOnlyList<MethodChoice> Named(params string[] names) =>
        [.. names.Select(name => All.Single(choice => choice.Name == name))];

    /// <summary>The plan of quantizing by this method.</summary>
    /// <param name="hdrq">The options of HDRQ.</param>
    /// <param name="bits">The bits.</param>
    /// <param name="seed">The seed.</param>
    public QuantizationPlan Plan(HdrqOptions hdrq, (int Weights, int Activations) bits, int seed) => new(
        string.Create(CultureInfo.InvariantCulture, $"{Name}-w{bits.Weights}a{bits.Activations}"), Label,
        Apply(hdrq with { WeightBits = bits.Weights, ActivationBits = bits.Activations }), seed);

    /// <summary>A method's options with what all methods have as HDRQ has it.</summary>
    private static QuantizationOptions Shared(QuantizationOptions method, HdrqOptions hdrq) => method with
    {
        WeightBits = hdrq.WeightBits,
        ActivationBits = hdrq.ActivationBits,
        Placement = hdrq.Placement,
        PerChannel = hdrq.PerChannel,
        ReduceRange = hdrq.ReduceRange,
        Overrides = hdrq.Overrides,
        Calibration = hdrq.Calibration,
        CorrectBiases = hdrq.CorrectBiases,
        Moments = hdrq.Moments,
    };

    private static HdrqTraining WithoutDistance(HdrqTraining hdrq) => hdrq with { DistanceWeight = 0, DriftWeight = 0 };

    private static RoundingTraining Rounding(HdrqTraining hdrq) => new()
    {
        Iterations = hdrq.Iterations,
        BatchSize = hdrq.BatchSize,
        ActivationScaleLearningRate = hdrq.ActivationScaleLearningRate,
        WarmUp = hdrq.WarmUp,
    };

    private static QDropTraining Dropping(HdrqTraining hdrq) => new()
    {
        Iterations = hdrq.Iterations,
        BatchSize = hdrq.BatchSize,
        ActivationScaleLearningRate = hdrq.ActivationScaleLearningRate,
        WarmUp = hdrq.WarmUp,
        DropProbability = hdrq.DropProbability,
    };
}

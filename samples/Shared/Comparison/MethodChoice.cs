using System.Globalization;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;

namespace Hdrq.Samples.Comparison;

/// <summary>A method of quantization that can be compared.</summary>
/// <param name="Name">Its name on the command line and in the names of networks.</param>
/// <param name="Label">Its name in results.</param>
/// <param name="Apply">Makes its options of those that all methods share.</param>
internal sealed record MethodChoice(string Name, string Label, Func<NetworkQuantizationEstimator.Options, NetworkQuantizationEstimator.Options> Apply)
{
    /// <summary>All methods: the others, HDRQ, HDRQ without its parts, and rounding to nearest with corrected biases.</summary>
    public static IReadOnlyList<MethodChoice> All { get; } =
    [
        new("rtn", "RTN", shared => shared with { Method = QuantizationMethod.RoundToNearest }),
        new("adaround", "AdaRound", shared => shared with { Method = QuantizationMethod.AdaRound }),
        new("brecq", "BRECQ", shared => shared with { Method = QuantizationMethod.Brecq }),
        new("qdrop", "QDrop", shared => shared with { Method = QuantizationMethod.QDrop }),
        new("hdrq", "HDRQ", shared => shared),
        new("hdrq-no-noise", "HDRQ without noise", shared => shared with { UseNoise = false }),
        new("hdrq-no-distance", "HDRQ without distance", shared => shared with { DistanceWeight = 0, DriftWeight = 0 }),
        new("hdrq-neither", "HDRQ with neither", shared => shared with { UseNoise = false, DistanceWeight = 0, DriftWeight = 0 }),
        new("hdrq-no-mixing", "HDRQ without mixing", shared => shared with { DropProbability = 0 }),
        new("rtn-corrected", "RTN, biases corrected", shared => shared with { Method = QuantizationMethod.RoundToNearest, CorrectBiases = true }),
    ];

    /// <summary>Methods by their names.</summary>
    public static IReadOnlyList<MethodChoice> Named(params string[] names) => [.. names.Select(name => All.Single(choice => choice.Name == name))];

    /// <summary>The plan of quantizing by this method.</summary>
    /// <param name="shared">What all methods share.</param>
    /// <param name="bits">The bits.</param>
    /// <param name="seed">The seed.</param>
    public QuantizationPlan Plan(NetworkQuantizationEstimator.Options shared, (int Weights, int Activations) bits, int seed) => new(
        string.Create(CultureInfo.InvariantCulture, $"{Name}-w{bits.Weights}a{bits.Activations}"), Label,
        Apply(shared with { WeightBits = bits.Weights, ActivationBits = bits.Activations, Seed = seed }));
}

using System.Globalization;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Comparison;

/// <summary>
/// What is compared: every method with every bit width and seed, and their networks merged in every way.
/// </summary>
internal sealed record ComparisonOptions
{
    /// <summary>The methods.</summary>
    public IReadOnlyList<MethodChoice> Methods { get; init; } = [.. MethodChoice.All.Take(5)];

    /// <summary>Bits of weights and activations.</summary>
    public IReadOnlyList<(int Weights, int Activations)> Bits { get; init; } = [(4, 4), (3, 3)];

    /// <summary>Seeds of quantization, and of merging where it draws.</summary>
    public IReadOnlyList<int> Seeds { get; init; } = [1, 2, 3];

    /// <summary>The ways of merging.</summary>
    public IReadOnlyList<MergingPlan> Mergings { get; init; } = MergingChoice.All;

    /// <summary>The ways of quantizing that are compared.</summary>
    /// <param name="shared">What all methods share.</param>
    public IReadOnlyList<QuantizationPlan> Plans(HdrqOptions shared) =>
    [
        .. from seed in Seeds
           from bits in Bits
           from method in Methods
           let plan = method.Plan(shared, bits, seed)
           select plan with { Name = string.Create(CultureInfo.InvariantCulture, $"{plan.Name}-s{seed}") },
    ];
}

using System.Collections.Immutable;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Decides whether a network classifies, and what its classes are called.</summary>
internal static class ClassLabels
{
    /// <summary>
    /// Whether a network classifies: its output is [batch, classes]. Where the graph does not say what its output is, class names do.
    /// </summary>
    public static bool IsClassifier(Network network, ScoringSettings settings)
    {
        var shape = network.Graph.Outputs[0].Shape;
        return shape.Length == 0 ? !settings.ClassNames.IsDefault : shape.Length == 2 && shape[1] != 1;
    }

    /// <summary>Checks class names against what is known of a network's output before it has computed anything.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They do not fit.</exception>
    public static void Check(Network network, ScoringSettings settings)
    {
        var shape = network.Graph.Outputs[0].Shape;
        if (!settings.ClassNames.IsDefault && shape.Length > 0)
            Check(settings.ClassNames, shape.Length == 2 && shape[1] == TensorShape.Dynamic ? [settings.ClassNames.Length] : shape[1..]);
    }

    /// <summary>The names of the classes of a network with scores of this shape: those given, or the classes' numbers from 0.</summary>
    /// <returns>The names, or null where the network does not classify.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The names given do not fit.</exception>
    public static ImmutableArray<string>? For(Network network, ScoringSettings settings, ReadOnlySpan<long> scoreShape)
    {
        if (!settings.ClassNames.IsDefault)
        {
            Check(settings.ClassNames, scoreShape);
            return settings.ClassNames;
        }
        if (!IsClassifier(network, settings))
            return null;
        if (scoreShape.Length != 1)
            throw new InvalidOperationException($"The network's output is declared as {network.Graph.Outputs[0]}, and it gave {TensorShape.Describe(scoreShape)} for every row.");
        return [.. Enumerable.Range(0, checked((int)scoreShape[0])).Select(number => number.ToString(CultureInfo.InvariantCulture))];
    }

    private static void Check(ImmutableArray<string> names, ReadOnlySpan<long> scoreShape)
    {
        if (scoreShape.Length != 1)
            throw Errors.Option(nameof(NetworkScoringEstimator.Options.ClassNames), names.Length, $"{nameof(NetworkScoringEstimator.Options.ClassNames)} needs a network with one score for every class; this one gives scores of shape {TensorShape.Describe(scoreShape)} for every row.");
        if (scoreShape[0] != names.Length)
            throw Errors.Option(nameof(NetworkScoringEstimator.Options.ClassNames), names.Length, $"{nameof(NetworkScoringEstimator.Options.ClassNames)} has {names.Length} names, and the network has {scoreShape[0]} classes.");
    }
}

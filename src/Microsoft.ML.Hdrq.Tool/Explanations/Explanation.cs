namespace Microsoft.ML.Hdrq.Tool.Explanations;

/// <summary>Why the networks of one method merge well or badly.</summary>
internal sealed record Explanation
{
    /// <summary>What the names of the method's networks begin with.</summary>
    public required string Name { get; init; }

    /// <summary>The method's name in the results.</summary>
    public required string Method { get; init; }

    /// <summary>The networks, one for each domain, on their own domain.</summary>
    public required IReadOnlyList<NetworkExplanation> Networks { get; init; }

    /// <summary>The lines between every two networks, on the domain of each.</summary>
    public required IReadOnlyList<LineExplanation> Lines { get; init; }

    /// <summary>
    /// The layers of the first domain's network, in descending order of the rise of the loss; empty in full precision.
    /// </summary>
    public required IReadOnlyList<LayerExplanation> Layers { get; init; }

    /// <summary>The number of images that layers were measured on; null in full precision.</summary>
    public int? Images { get; init; }

    /// <summary>The exceptions that keep the worst layers at 8 bits, as C#; null in full precision.</summary>
    public string? Overrides { get; init; }
}

/// <summary>A network on the test images of its own domain.</summary>
/// <param name="Domain">The domain.</param>
/// <param name="Loss">The mean cross-entropy.</param>
/// <param name="Accuracy">The accuracy, a fraction.</param>
/// <param name="Trace">The trace of the Hessian.</param>
/// <param name="TraceError">Its standard error; null with a single random vector, which has none.</param>
/// <param name="LargestEigenvalue">The largest eigenvalue; null where it was not looked for.</param>
/// <param name="Distance">The distance of the weights to the source's.</param>
/// <param name="RelativeDistance">The same, divided by the length of the source's weights.</param>
/// <param name="Blocks">The traces of blocks, by name.</param>
internal sealed record NetworkExplanation(
    string Domain, double Loss, double Accuracy, double Trace, double? TraceError, double? LargestEigenvalue,
    double Distance, double RelativeDistance, OrderedDictionary<string, double> Blocks);

/// <summary>What lies between two networks.</summary>
/// <param name="From">The domain of the first.</param>
/// <param name="To">The domain of the second.</param>
/// <param name="On">The domain that mixtures are measured on.</param>
/// <param name="Barrier">The error barrier.</param>
/// <param name="AccuracyBarrier">The maximum fall of the accuracy below the straight line, a fraction.</param>
/// <param name="Points">The mixtures.</param>
internal sealed record LineExplanation(
    string From, string To, string On, double Barrier, double AccuracyBarrier, IReadOnlyList<LinePoint> Points);

/// <summary>A mixture of two networks.</summary>
/// <param name="Share">The second network's share.</param>
/// <param name="Loss">The mean cross-entropy.</param>
/// <param name="Accuracy">The accuracy, a fraction.</param>
internal readonly record struct LinePoint(double Share, double Loss, double Accuracy);

/// <summary>What quantizing one layer does.</summary>
/// <param name="Name">The layer.</param>
/// <param name="Bits">For example <c>W4A4</c>.</param>
/// <param name="SignalToNoise">Of its output, in decibels; null where there is no noise.</param>
/// <param name="LossAlone">The rise of the loss when only it is quantized.</param>
/// <param name="LossWithout">The fall of the loss when only it is not.</param>
internal sealed record LayerExplanation(
    string Name, string Bits, double? SignalToNoise, double LossAlone, double LossWithout)
{
    /// <summary>Standard errors below which a difference is within noise: beyond two, chance seldom takes it.</summary>
    private const double NoiseErrors = 2;

    /// <summary>The standard error of <see cref="LossAlone"/>; null where a single image was measured.</summary>
    public double? LossAloneError { get; init; }

    /// <summary>The standard error of <see cref="LossWithout"/>; null where a single image was measured.</summary>
    public double? LossWithoutError { get; init; }

    /// <summary>Whether a difference of losses is as small as the choice of images may make it.</summary>
    /// <param name="difference">The difference.</param>
    /// <param name="error">Its standard error; null where it is not known.</param>
    public static bool IsWithinNoise(double difference, double? error) => Math.Abs(difference) < NoiseErrors * error;
}

using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>A mixture of networks, merged with these weights or one of the networks itself, and how well it does.</summary>
/// <param name="Weights">The networks' shares, of sum 1.</param>
/// <param name="Loss">The mean cross-entropy.</param>
/// <param name="Accuracy">The top-1 accuracy, a fraction; of pixels where these have labels.</param>
public sealed record InterpolationPoint(ImmutableArray<double> Weights, double Loss, double Accuracy);

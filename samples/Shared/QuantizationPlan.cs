using Microsoft.ML.Hdrq.Pipeline;

namespace Hdrq.Samples;

/// <summary>One way to quantize all adapted networks.</summary>
/// <param name="Name">What the names of its networks begin with.</param>
/// <param name="Method">The method's name in the results.</param>
/// <param name="Options">How, with the seed; domain, source and progress are filled in.</param>
internal sealed record QuantizationPlan(string Name, string Method, NetworkQuantizationEstimator.Options Options);

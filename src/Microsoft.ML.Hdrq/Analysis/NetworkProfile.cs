namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>One network in a comparison.</summary>
/// <param name="Name">Its name: that of its score column.</param>
/// <param name="Loss">The mean cross-entropy.</param>
/// <param name="Accuracy">The top-1 accuracy, a fraction.</param>
/// <param name="Curvature">The curvature of the loss at its weights.</param>
/// <param name="Distance">The distance to the source; null where no source is known.</param>
public sealed record NetworkProfile(string Name, double Loss, double Accuracy, CurvatureReport Curvature, DistanceReport? Distance);

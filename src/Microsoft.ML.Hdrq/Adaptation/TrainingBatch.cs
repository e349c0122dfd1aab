using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>The images of a training step, on the network's device.</summary>
/// <param name="Rows">The indices of the images among all, [images].</param>
/// <param name="Images">The images, shifted, cut out and mirrored at random.</param>
/// <param name="Labels">Their labels, changed in the same way; null if the objective has none.</param>
internal readonly record struct TrainingBatch(torch.Tensor Rows, torch.Tensor Images, torch.Tensor? Labels);

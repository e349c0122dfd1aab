using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>How a network's output becomes columns, whichever estimator made the network.</summary>
/// <param name="BatchSize">The number of rows scored together.</param>
/// <param name="PredictedLabelColumnName">The predicted label's column; null for none.</param>
/// <param name="PredictedMaskColumnName">The predicted mask's column; null for none.</param>
/// <param name="Softmax">Whether scores become probabilities.</param>
/// <param name="Engine">The engine that computes.</param>
/// <param name="Threads">The number of ONNX Runtime's threads; null for its own choice.</param>
internal sealed record ScoringSettings(
    int BatchSize, string? PredictedLabelColumnName, string? PredictedMaskColumnName, bool Softmax,
    ScoringEngineKind Engine, int? Threads);

using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>How a network's output becomes columns, whichever estimator made the network.</summary>
/// <param name="BatchSize">The number of rows scored together.</param>
/// <param name="ClassNames">The names of the classes; the default array if none were given.</param>
/// <param name="PredictedLabelColumnName">The predicted label's column; null for none.</param>
/// <param name="PredictedMaskColumnName">The predicted mask's column; null for none.</param>
/// <param name="Softmax">Whether scores become probabilities.</param>
/// <param name="Engine">The engine that computes.</param>
/// <param name="Threads">The number of ONNX Runtime's threads; null for its own choice.</param>
internal sealed record ScoringSettings(
    int BatchSize, ImmutableArray<string> ClassNames, string? PredictedLabelColumnName, string? PredictedMaskColumnName,
    bool Softmax, ScoringEngineKind Engine, int? Threads);

using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>How a network becomes score columns, whatever estimator made the network.</summary>
/// <param name="BatchSize">Rows scored together.</param>
/// <param name="ClassNames">The names of the classes; the default array where nobody gave them.</param>
/// <param name="PredictedLabelColumnName">The predicted label's column; null for none.</param>
/// <param name="PredictedMaskColumnName">The predicted mask's column; null for none.</param>
/// <param name="Softmax">Whether scores become probabilities.</param>
/// <param name="Engine">What computes.</param>
/// <param name="Threads">The threads of ONNX Runtime; null for its own choice.</param>
internal sealed record ScoringSettings(int BatchSize, ImmutableArray<string> ClassNames, string? PredictedLabelColumnName, string? PredictedMaskColumnName, bool Softmax, ScoringEngineKind Engine, int? Threads);

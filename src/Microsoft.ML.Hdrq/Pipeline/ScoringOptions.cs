using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>How a network is applied.</summary>
public sealed record ScoringOptions
{
    /// <summary>The default name of the predicted label's column.</summary>
    internal const string DefaultPredictedLabelColumnName = "PredictedLabel";

    /// <summary>The default name of the predicted mask's column.</summary>
    internal const string DefaultPredictedMaskColumnName = "PredictedMask";

    /// <summary>
    /// The number of rows scored together, from 1 to 65,536; 32 by default. Scores do not depend on it; larger ones are
    /// faster and take more memory.
    /// </summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>
    /// The name of the output that holds the scores. Null, the default, for the only one; networks with several outputs
    /// need it. The others, and what only they need, are left out.
    /// </summary>
    public string? Output { get; init; }

    /// <summary>
    /// The normalization of the input, with the same number of channels as the network's input, whose dimension is the
    /// first after the batch or, for images with channels last, the last one. It becomes part of the network, which
    /// records it, and takes no other. Null, the default, for none.
    /// </summary>
    public ChannelNormalization? Normalization { get; init; }

    /// <summary>
    /// The names of the classes in the order of the scores: distinct, not empty, one for each class. The network keeps
    /// them (<see cref="Network.ClassNames"/>), also in files. Null, the default, for those that the network has; if it
    /// has none, its classes are named by their zero-based numbers. Names other than those that the network has are
    /// refused.
    /// </summary>
    /// <remarks>
    /// <c>AdaptNetwork</c>, the analyses and <c>EvaluateByDomain</c> match labels to the classes by name.
    /// <c>MulticlassClassification.Evaluate</c> of ML.NET compares numbers of keys: give the same names in the same
    /// order to <c>MapValueToKey</c>, as its <c>keyData</c>.
    /// </remarks>
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>
    /// The name of the predicted label's column, <c>PredictedLabel</c> by default; null for none. Only networks that
    /// classify have one.
    /// </summary>
    public string? PredictedLabelColumnName { get; init; } = DefaultPredictedLabelColumnName;

    /// <summary>
    /// The name of the predicted mask's column, <c>PredictedMask</c> by default; null for none. Only networks that
    /// classify pixels have one.
    /// </summary>
    public string? PredictedMaskColumnName { get; init; } = DefaultPredictedMaskColumnName;

    /// <summary>
    /// Whether the scores become probabilities by a softmax over the classes. False, the default, leaves them as the
    /// network gives them; so does true, if these are probabilities already, because the network ends in a softmax or
    /// sigmoid. Predicted labels and accuracies are the same, but the log-loss of
    /// <c>MulticlassClassification.Evaluate</c> is that of probabilities: for other scores it means nothing.
    /// </summary>
    public bool Softmax { get; init; }

    /// <summary>
    /// The engine that computes the scores, here and in the steps that start from this one;
    /// <see cref="ScoringEngineKind.Automatic"/> by default.
    /// </summary>
    public ScoringEngineKind Engine { get; init; }

    /// <summary>
    /// The number of ONNX Runtime's threads, from 1 to 1,024; null, the default, for one on each core. They sleep
    /// while they wait. For Torch, use <c>torch.set_num_threads</c>, which applies to the whole process.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>The GPU to compute on; null, the default, to use <see cref="MLContext.GpuDeviceId"/>.</summary>
    public int? GpuDeviceId { get; init; }

    /// <summary>
    /// Whether to use the CPU if the GPU is not available; null, the default, to use
    /// <see cref="MLContext.FallbackToCpu"/>.
    /// </summary>
    public bool? FallbackToCpu { get; init; }

    /// <summary>Checks and copies what score columns need of the options.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal ScoringSettings ToSettings(string outputColumnName)
    {
        OptionCheck.BatchSize(nameof(BatchSize), BatchSize);
        OptionCheck.Defined(nameof(Engine), Engine, "an engine");
        OptionCheck.Threads(nameof(Threads), Threads);
        OptionCheck.Count(nameof(GpuDeviceId), GpuDeviceId ?? 0, 0);
        if (PredictedLabelColumnName is "" || PredictedLabelColumnName == outputColumnName)
        {
            throw OptionCheck.Error(nameof(PredictedLabelColumnName), PredictedLabelColumnName,
                $"{nameof(PredictedLabelColumnName)} must be null or a name other than the score column's.");
        }
        if (PredictedMaskColumnName is "" || PredictedMaskColumnName == outputColumnName)
        {
            throw OptionCheck.Error(nameof(PredictedMaskColumnName), PredictedMaskColumnName,
                $"{nameof(PredictedMaskColumnName)} must be null or a name other than the score column's.");
        }
        if (ClassNames is { } names && !ClassNameList.AreValid(names))
        {
            throw OptionCheck.Error(nameof(ClassNames), string.Join(", ", names),
                $"{nameof(ClassNames)} must hold distinct names, none of them empty.");
        }
        return new ScoringSettings(
            BatchSize, PredictedLabelColumnName, PredictedMaskColumnName, Softmax, Engine, Threads);
    }
}

using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Quantizes a network on the unlabelled images of a domain so that it can be merged with others: HDRQ (Shin, Seok, Kim, Park, "Merge-Friendly Post-Training
/// Quantization for Multi-Target Domain Adaptation", ICML 2025, arXiv 2505.23651).
/// </summary>
/// <remarks>
/// A <see cref="NetworkQuantizationEstimator"/> that trains blocks
/// with noise in place of rounding until the last steps, which flattens the loss, and with a term for the distance to the source network, which keeps all
/// quantized networks near each other. Create it with
/// <see cref="HdrqCatalog.QuantizeHdrq(TransformsCatalog, string, string, Options)"/>.
/// </remarks>
public sealed class HdrqQuantizationEstimator : NetworkQuantizationEstimator
{
    internal HdrqQuantizationEstimator(IHostEnvironment environment, string outputColumnName, string inputColumnName, Options options)
        : base(environment, outputColumnName, inputColumnName, options)
    {
    }

    /// <summary>How a network is quantized by HDRQ.</summary>
    public new sealed record Options : QuantizationOptions
    {
        /// <summary>
        /// The settings of the paper and its public code: quantizers where they put them, one scale for a weight and each network's own, fixed biases, no Gram matrices, 20,000 steps a block.
        /// Use it as <c>HdrqQuantizationEstimator.Options.Paper with { WeightBits = 4, ActivationBits = 4 }</c>.
        /// </summary>
        public static Options Paper { get; } = (Options)new Options().WithPaperSettings();

        private protected override QuantizationMethod UsedMethod => QuantizationMethod.Hdrq;
    }
}

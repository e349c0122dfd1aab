using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Quantizers;

/// <summary>
/// No rounding and no clipping: the quantizer passes its input on. With it in every quantizer, a quantized network
/// computes in full precision.
/// </summary>
internal sealed class BypassRounding : RoundingScheme
{
    private BypassRounding()
    {
    }

    /// <summary>The only instance: the scheme has no state.</summary>
    public static BypassRounding Instance { get; } = new();

    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range) =>
        values.alias();
}

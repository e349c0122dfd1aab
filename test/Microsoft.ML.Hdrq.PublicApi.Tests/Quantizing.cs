using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>The one place that says how networks are quantized here.</summary>
internal static class Quantizing
{
    /// <summary>To 4 bits, with few steps.</summary>
    public static readonly HdrqOptions FourBits =
        new() { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = 40 } };

    /// <summary>To 4 bits, on the images of a domain.</summary>
    public static NetworkQuantizationEstimator QuantizeTo4Bits(
        this TransformsCatalog transforms, string output, string input, string domain) =>
        transforms.QuantizeHdrq(output, input, FourBits,
            rows: new() { MaxRows = 32, DomainColumnName = "Domain", Domain = domain, Seed = 1 });
}

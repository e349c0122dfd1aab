using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>The one place that says how networks are quantized here.</summary>
internal static class Quantizing
{
    /// <summary>To 4 bits, on the images of a domain, with few steps.</summary>
    public static HdrqQuantizationEstimator QuantizeTo4Bits(this TransformsCatalog transforms, string output, string input, string domain) =>
        transforms.QuantizeHdrq(output, input, new()
        {
            WeightBits = 4,
            ActivationBits = 4,
            Iterations = 40,
            BatchSize = 16,
            CalibrationImages = 32,
            DomainColumnName = "Domain",
            Domain = domain,
            Seed = 1,
        });
}

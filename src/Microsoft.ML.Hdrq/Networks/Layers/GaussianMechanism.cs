using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// The analytic Gaussian mechanism (Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML
/// 2018, Theorem 8), which holds for every epsilon.
/// </summary>
internal static class GaussianMechanism
{
    /// <summary>
    /// The smallest deviation of the noise, relative to the sensitivity, that gives (epsilon, delta)-differential
    /// privacy, but for one part in a million.
    /// </summary>
    public static double Deviation(double epsilon, double delta)
    {
        var (low, high) = (1e-3, 1e6);
        while (high / low > 1 + 1e-6)
        {
            var middle = Math.Sqrt(low * high);
            if (Delta(epsilon, middle) > delta)
                low = middle;
            else
                high = middle;
        }
        return high;
    }

    /// <summary>
    /// Draws independent numbers of the standard normal distribution, from a cryptographic generator.
    /// </summary>
    public static double[] Draw(long count)
    {
        var values = new double[count];
        var bits = new ulong[2];
        for (long i = 0; i < count; i += 2)
        {
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(bits.AsSpan()));
            // Box and Muller: the radius from (0, 1], whose logarithm exists.
            var radius = Math.Sqrt(-2 * Math.Log(((bits[0] >> 11) + 1) * Unit));
            var (sine, cosine) = Math.SinCos(2 * Math.PI * ((bits[1] >> 11) * Unit));
            values[i] = radius * cosine;
            if (i + 1 < count)
                values[i + 1] = radius * sine;
        }
        return values;
    }

    /// <summary>2^-53, the last place of a number below 1 in double precision.</summary>
    private const double Unit = 1.0 / (1L << 53);

    /// <summary>
    /// The delta of a deviation: <c>P(a) - e^epsilon P(-b)</c> with the normal distribution P,
    /// <c>a = 1 / 2s - epsilon s</c> and <c>b = 1 / 2s + epsilon s</c>. As <c>b^2 - a^2 = 2 epsilon</c>, neither
    /// overflows.
    /// </summary>
    private static double Delta(double epsilon, double deviation)
    {
        var a = 0.5 / deviation - epsilon * deviation;
        var b = 0.5 / deviation + epsilon * deviation;
        var density = Math.Exp(-a * a / 2) / 2;
        return (a > 0 ? 1 - density * Scaled(a) : density * Scaled(-a)) - density * Scaled(b);

        // The complementary error function at y = x / sqrt(2), times e^(y^2); beyond 20 by its asymptotic series.
        static double Scaled(double x)
        {
            var y = x / Math.Sqrt(2);
            if (y > 20)
                return (1 - (0.5 - (0.75 - 1.875 / (y * y)) / (y * y)) / (y * y)) / (y * Math.Sqrt(Math.PI));
            using var value = torch.tensor(y, torch.ScalarType.Float64);
            using var result = torch.special.erfc(value);
            return result.item<double>() * Math.Exp(y * y);
        }
    }
}

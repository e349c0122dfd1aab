namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Computes learning rates over the iterations of a reconstruction, as multiples of the base rate.</summary>
internal static class LearningRateSchedule
{
    private const double WarmUpStart = 1e-3;

    /// <summary>Falls from 1 to 0 along a cosine.</summary>
    public static double Cosine(int iteration, int iterations) =>
        0.5 * (1 + Math.Cos(Math.PI * iteration / iterations));

    /// <summary>
    /// Rises linearly from 0.001 to 1 over the warm-up iterations, then falls from 1 to 0 along a cosine.
    /// </summary>
    public static double CosineAfterWarmUp(int iteration, int iterations, int warmUp) =>
        iteration < warmUp
            ? WarmUpStart + (1 - WarmUpStart) * iteration / warmUp
            : Cosine(iteration - warmUp, iterations - warmUp);
}

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Learning rates over the iterations of a reconstruction, as multiples of the base rate.</summary>
internal static class LearningRateSchedule
{
    private const double WarmUpStart = 1e-3;

    /// <summary>From 1 to 0 along a cosine.</summary>
    public static double Cosine(int iteration, int iterations) => 0.5 * (1 + Math.Cos(Math.PI * iteration / iterations));

    /// <summary>Linearly from 0.001 to 1 over the first iterations, then from 1 to 0 along a cosine over the rest.</summary>
    public static double CosineAfterWarmUp(int iteration, int iterations, int warmUp) => iteration < warmUp
        ? WarmUpStart + (1 - WarmUpStart) * iteration / warmUp
        : Cosine(iteration - warmUp, iterations - warmUp);
}

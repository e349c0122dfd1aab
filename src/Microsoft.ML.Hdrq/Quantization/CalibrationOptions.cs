using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// How the ranges of quantizers are chosen on the calibration images, and where the images and their activations are
/// kept.
/// </summary>
public sealed record CalibrationOptions
{
    /// <summary>
    /// The maximum number of images for the observers of activations, rounded up to whole batches, and for bias
    /// correction.
    /// </summary>
    internal const int MaxImages = 64;

    /// <summary>The method that chooses ranges; <see cref="RangeObserverKind.Mse"/> by default.</summary>
    public RangeObserverKind Observer { get; init; } = RangeObserverKind.Mse;

    /// <summary>
    /// Whether the scales of weights start from scales that fit the source network's weights, so that all networks of
    /// one source share one grid and their integers differ less when they are merged; true by default. The paper uses
    /// each network's own scales; so does this library if no source is known or if the network has moved far from it.
    /// </summary>
    public bool UseSourceScales { get; init; } = true;

    /// <summary>
    /// The number of images that are computed together while ranges are chosen, from 1 to 65,536; 16 by default. A
    /// range is chosen for each batch, so the results depend on this value.
    /// </summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>
    /// Whether the calibration images and their activations stay in the memory of the computing device, which is faster
    /// on a GPU, instead of host memory; false by default.
    /// </summary>
    public bool KeepOnDevice { get; init; }

    /// <summary>
    /// Whether convolutions and matrix products on an NVIDIA GPU may use TF32, which keeps 10 bits of each number's
    /// fraction instead of 23 and is about twice as fast where layers are large; false by default. CPUs ignore it.
    /// </summary>
    public bool AllowTf32 { get; init; }

    /// <summary>
    /// The maximum number of bytes of activations that are in memory at a time, not negative; device memory if
    /// <see cref="KeepOnDevice"/> is set, host memory otherwise. The rest is kept in temporary files, which is slower
    /// and gives the same results. 2 GB (2^31 bytes) by default.
    /// </summary>
    public long CacheMemory { get; init; } = 2L << 30;

    /// <summary>
    /// The folder for the temporary files, which must exist; null, the default, for the system's folder.
    /// </summary>
    public string? CacheDirectory { get; init; }

    /// <summary>Creates an observer of one value.</summary>
    internal RangeObserver CreateObserver() => Observer switch
    {
        RangeObserverKind.AverageMse => new AverageMseObserver(),
        RangeObserverKind.MinMax => new MinMaxObserver(),
        RangeObserverKind.Percentile => new PercentileObserver(99.99),
        _ => new MseObserver(),
    };

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Defined(InGroup(nameof(Observer)), Observer, "an observer");
        OptionCheck.BatchSize(InGroup(nameof(BatchSize)), BatchSize);
        OptionCheck.Range(InGroup(nameof(CacheMemory)), CacheMemory, 0, long.MaxValue, "not negative");
        if (CacheDirectory is not null && !Directory.Exists(CacheDirectory))
        {
            throw OptionCheck.Error(
                InGroup(nameof(CacheDirectory)),
                CacheDirectory,
                $"{InGroup(nameof(CacheDirectory))} is '{CacheDirectory}', which is not a folder.");
        }
    }

    private static string InGroup(string option) => $"{nameof(QuantizationOptions.Calibration)}.{option}";
}

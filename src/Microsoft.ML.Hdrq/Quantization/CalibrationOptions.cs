using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How the ranges of quantizers are chosen on the calibration images, and where these and what blocks make of them are kept.</summary>
public sealed record CalibrationOptions
{
    /// <summary>Images that the observers of activations see, in whole batches, and by which biases are corrected.</summary>
    internal const int MostImages = 64;

    /// <summary>How ranges are chosen; <see cref="RangeObserverKind.Mse"/> by default.</summary>
    public RangeObserverKind Observer { get; init; } = RangeObserverKind.Mse;

    /// <summary>
    /// Whether scales of weights start from those that fit the source network's weights, so that all networks of one
    /// source have one grid and their integers disagree less when they are merged; true by default. The paper takes each
    /// network's own, as is done where no source is known or where the network has moved far from it.
    /// </summary>
    public bool UseSourceScales { get; init; } = true;

    /// <summary>
    /// Images that are computed together while ranges are chosen, at least 1; 16 by default. A range is chosen for each
    /// batch, so that results depend on it.
    /// </summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>
    /// Whether calibration images and what blocks make of them stay in the memory of the device that computes, which is
    /// faster on a GPU, instead of host memory; false by default.
    /// </summary>
    public bool KeepOnDevice { get; init; }

    /// <summary>
    /// The most bytes of what blocks make of the calibration images that are in memory at a time, that of the device where
    /// <see cref="KeepOnDevice"/> is set, not negative; more is kept in temporary files, slower and with the same results.
    /// 2 GB (2^31 bytes) by default.
    /// </summary>
    public long CacheMemory { get; init; } = 2L << 30;

    /// <summary>The folder of the temporary files, which has to exist; null, the default, for the system's.</summary>
    public string? CacheDirectory { get; init; }

    /// <summary>Makes an observer of one value.</summary>
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
        OptionCheck.Range(InGroup(nameof(BatchSize)), BatchSize, 1, int.MaxValue, "at least 1");
        OptionCheck.Range(InGroup(nameof(CacheMemory)), CacheMemory, 0, long.MaxValue, "not negative");
        if (CacheDirectory is not null && !Directory.Exists(CacheDirectory))
            throw OptionCheck.Error(InGroup(nameof(CacheDirectory)), CacheDirectory, $"{InGroup(nameof(CacheDirectory))} is '{CacheDirectory}', which is not a folder.");
    }

    private static string InGroup(string option) => $"{nameof(QuantizationOptions.Calibration)}.{option}";
}

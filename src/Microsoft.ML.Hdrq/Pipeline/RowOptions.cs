using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline.Masks;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>The options of all steps that read rows: which rows, the seed, the device, its threads, and
/// cancellation.</summary>
public sealed record RowOptions
{
    /// <summary>
    /// The column with the domain of each row, text or a key with text values; null, the default, to use all rows.
    /// </summary>
    public string? DomainColumnName { get; init; }

    /// <summary>The domain whose rows are used; null together with <see cref="DomainColumnName"/>.</summary>
    public string? Domain { get; init; }

    /// <summary>
    /// The column of the classes, a key or, for a network that classifies pixels, masks of the images' height and
    /// width, <c>Vector&lt;Byte, height, width&gt;</c>, such as <c>LoadMasks</c> gives; <c>Label</c> by default. Rows
    /// without a label are skipped. Quantizing and adapting without labels read none.
    /// </summary>
    /// <remarks>
    /// A key with text values is matched to the network's classes by name (<see cref="Network.ClassNames"/>), in any
    /// order; a row of a class that the network does not have is refused. If the network has no names, the key must
    /// have as many values as the network has classes, and <c>AdaptNetwork</c> makes them its names; if they are
    /// <c>0</c>, <c>1</c> and so on, they are taken as the zero-based numbers of the classes. Without text values, the
    /// key's first value stands for the first class.
    /// </remarks>
    public string LabelColumnName { get; init; } = "Label";

    /// <summary>
    /// The value of a mask's pixels that have no class and do not count; <see cref="MaskLoadingEstimator.Ignored"/>,
    /// 255, by default.
    /// </summary>
    public byte IgnoredLabel { get; init; } = MaskLoadingEstimator.Ignored;

    /// <summary>
    /// The maximum number of rows that are used, drawn at random from those of the domain, at least 1. Null, the
    /// default, leaves it to the step: 256 for quantizing, 512 for an analysis, and all for adapting.
    /// </summary>
    public int? MaxRows { get; init; }

    /// <summary>
    /// Side of the square that is cut at random out of each image as it is read, in pixels, at least 1; an image that
    /// is lower or narrower is taken whole in that dimension. Null, the default, for whole images. The network must
    /// take images of any size. Only where no labels are read: adapting on labels has
    /// <see cref="AdaptationOptions.CropSize"/>.
    /// </summary>
    public int? CropSize { get; init; }

    /// <summary>The seed of all random draws; null, the default, to derive it from the context's seed.</summary>
    public int? Seed { get; init; }

    /// <summary>The GPU to compute on; null, the default, to use <see cref="MLContext.GpuDeviceId"/>.</summary>
    public int? GpuDeviceId { get; init; }

    /// <summary>
    /// Whether to use the CPU if the GPU is not available; null, the default, to use
    /// <see cref="MLContext.FallbackToCpu"/>.
    /// </summary>
    public bool? FallbackToCpu { get; init; }

    /// <summary>
    /// The number of Torch's threads while the step works on a CPU, from 1 to 1,024; null, the default, for that of the
    /// application, which is one for each core unless <c>torch.set_num_threads</c> says otherwise. What is trained
    /// depends on it in the last digits, so the same bytes need the same number. It belongs to the process: steps that
    /// work at the same time need the same.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>Cancels the work between two of its steps; nothing is changed then.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>The rows of a domain, or all.</summary>
    internal static RowOptions Of(string? domain, string domainColumnName) =>
        domain is null ? new() : new() { DomainColumnName = domainColumnName, Domain = domain };

    /// <summary>Checks the options.</summary>
    /// <param name="readsLabels">Whether the step reads labels.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check(bool readsLabels)
    {
        if (DomainColumnName is "" || (DomainColumnName is null && Domain is not null))
        {
            throw OptionCheck.Error(nameof(DomainColumnName), DomainColumnName,
                $"{nameof(DomainColumnName)} is missing, and {nameof(Domain)} is '{Domain}'; "
                + "give both, or neither to use all rows.");
        }
        if (DomainColumnName is not null && string.IsNullOrEmpty(Domain))
        {
            throw OptionCheck.Error(nameof(Domain), Domain,
                $"{nameof(Domain)} is missing, and {nameof(DomainColumnName)} is '{DomainColumnName}'; "
                + "give both, or neither to use all rows.");
        }
        if (string.IsNullOrEmpty(LabelColumnName))
            throw OptionCheck.Error(nameof(LabelColumnName), LabelColumnName, $"{nameof(LabelColumnName)} is missing.");
        OptionCheck.Range(nameof(MaxRows), MaxRows ?? 1, 1, int.MaxValue, "null or at least 1");
        OptionCheck.Count(nameof(CropSize), CropSize ?? 1, 1, OptionCheck.MaxSide);
        if (readsLabels && CropSize is not null)
        {
            throw OptionCheck.Error(nameof(CropSize), CropSize,
                $"{nameof(RowOptions)}.{nameof(CropSize)} is {CropSize}, and would cut images without their labels; "
                + "to adapt a network on crops, "
                + $"set {nameof(AdaptationOptions)}.{nameof(AdaptationOptions.CropSize)}.");
        }
        OptionCheck.Threads(nameof(Threads), Threads);
        OptionCheck.Count(nameof(GpuDeviceId), GpuDeviceId ?? 0, 0);
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>The data that a block is trained on.</summary>
/// <param name="Quantized">The block's inputs from the network quantized so far.</param>
/// <param name="Exact">The block's inputs from the network in full precision.</param>
/// <param name="Targets">The block's output in full precision.</param>
internal sealed record BlockData(
    IReadOnlyList<ActivationCache> Quantized, IReadOnlyList<ActivationCache> Exact, ActivationCache Targets)
    : IDisposable
{
    /// <summary>The number of images.</summary>
    public long Count => Targets.Count;

    /// <summary>Wraps data in memory for a block with one input; the caller still owns the tensors.</summary>
    public static BlockData Of(torch.Tensor quantized, torch.Tensor exact, torch.Tensor targets) =>
        new([ActivationCache.Of(quantized)], [ActivationCache.Of(exact)], ActivationCache.Of(targets));

    public void Dispose()
    {
        foreach (var cache in Quantized.Concat(Exact).Append(Targets))
            cache.Dispose();
    }
}

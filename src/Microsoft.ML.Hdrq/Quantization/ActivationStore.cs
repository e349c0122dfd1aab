using System.Numerics;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Allocates activations, in memory up to a limit and in files beyond it. Disposing the store disposes everything it
/// has allocated.
/// </summary>
/// <param name="device">The device that holds activations.</param>
/// <param name="budget">The maximum number of bytes in memory.</param>
/// <param name="directory">The folder for files.</param>
/// <param name="isPinned">
/// Whether host memory is pinned, so that a GPU that computes can fetch activations from it by itself.
/// </param>
internal sealed class ActivationStore(torch.Device device, long budget, string directory, bool isPinned = false)
    : IDisposable
{
    private readonly HashSet<ActivationCache> _caches = [];
    private long _used;

    /// <summary>The number of bytes that are left in memory.</summary>
    public long Free => budget - _used;

    /// <summary>Computes a block's output for all rows.</summary>
    /// <param name="block">The block.</param>
    /// <param name="inputs">Its inputs, in order.</param>
    /// <param name="batchSize">The number of rows that are computed together.</param>
    /// <param name="rounding">The rounding of its quantizers.</param>
    /// <returns>The output, owned by the caller and disposed with the store at the latest.</returns>
    public ActivationCache Compute(
        Network block, IReadOnlyList<ActivationCache> inputs, int batchSize, RoundingScheme rounding)
    {
        using var noGradients = torch.no_grad();
        var context = new ComputeContext(ForwardMode.Inference, block.Device) { Rounding = _ => rounding };
        ActivationCache? result = null;
        var count = inputs[0].Count;
        for (long start = 0; start < count; start += batchSize)
        {
            using var scope = torch.NewDisposeScope();
            var size = Math.Min(batchSize, count - start);
            var rows = block.Run([.. inputs.Select(input => input.Read(start, size))], context)[0];
            result ??= Create(count, rows.shape[1..]);
            result.Write(start, rows);
        }
        return result!;
    }

    public void Dispose()
    {
        foreach (var cache in _caches.ToList())
            cache.Dispose();
    }

    private ActivationCache Create(long count, long[] rowShape)
    {
        var size = count * rowShape.Aggregate(sizeof(float), (long bytes, long length) => bytes * length);
        size = Counted(size);
        var isInMemory = size <= Free;
        var cache = ActivationCache.Create(
            count, rowShape, isInMemory ? device : null, isPinned, directory, Forget);
        _caches.Add(cache);
        _used += isInMemory ? size : 0;
        return cache;
    }

    private void Forget(ActivationCache cache)
    {
        if (_caches.Remove(cache) && cache.Memory is not null)
            _used -= Counted(cache.Size);
    }

    /// <summary>The memory that activations of a size take: libtorch rounds pinned memory up.</summary>
    private long Counted(long size) => isPinned ? (long)BitOperations.RoundUpToPowerOf2((ulong)size) : size;
}

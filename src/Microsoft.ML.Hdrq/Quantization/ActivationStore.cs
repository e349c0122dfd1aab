using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Gives out room for activations: memory up to a limit, and files beyond it. What it has given out is gone with it.</summary>
/// <param name="device">Where activations are kept.</param>
/// <param name="budget">The most bytes of it.</param>
/// <param name="directory">The folder of the files.</param>
internal sealed class ActivationStore(torch.Device device, long budget, string directory) : IDisposable
{
    private readonly HashSet<ActivationCache> _caches = [];
    private long _used;

    /// <summary>The bytes that are left.</summary>
    public long Free => budget - _used;

    /// <summary>Computes a block's output for all rows.</summary>
    /// <param name="block">The block.</param>
    /// <param name="inputs">Its inputs, in order.</param>
    /// <param name="batchSize">Rows that are computed together.</param>
    /// <param name="rounding">How its quantizers round.</param>
    /// <returns>The output, owned by the caller or, at the latest, the store.</returns>
    public ActivationCache Compute(Network block, IReadOnlyList<ActivationCache> inputs, int batchSize, RoundingScheme rounding)
    {
        using var noGradients = torch.no_grad();
        var context = new ComputeContext(ForwardMode.Inference, block.Device) { Rounding = _ => rounding };
        ActivationCache? result = null;
        var count = inputs[0].Count;
        for (long start = 0; start < count; start += batchSize)
        {
            using var scope = torch.NewDisposeScope();
            var rows = block.Run([.. inputs.Select(input => input.Read(start, Math.Min(batchSize, count - start)))], context)[0];
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
        var isInMemory = size <= Free;
        var cache = ActivationCache.Create(count, rowShape, isInMemory ? device : null, directory, Forget);
        _caches.Add(cache);
        _used += isInMemory ? size : 0;
        return cache;
    }

    private void Forget(ActivationCache cache)
    {
        if (_caches.Remove(cache) && cache.Memory is not null)
            _used -= cache.Size;
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Random numbers that are drawn once and used many times: every use reads a stretch that begins at a random place. Drawing afresh for every element of
/// every activation would take longer than the convolutions in between.
/// </summary>
internal sealed class RandomPool : IDisposable
{
    /// <summary>How many different beginnings there are.</summary>
    private const int Beginnings = 1 << 16;

    private readonly Random _random;
    private readonly torch.Generator _generator;
    private readonly torch.Device _device;
    private readonly int _tableSize;
    private readonly double _probability;
    private torch.Tensor? _indices;
    private torch.Tensor? _choices;

    /// <summary>Makes an empty pool.</summary>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="device">Where the numbers are used.</param>
    /// <param name="tableSize">Indices are drawn from 0 to before this.</param>
    /// <param name="probability">The probability that a choice is true.</param>
    public RandomPool(int seed, torch.Device device, int tableSize, double probability)
    {
        _random = new Random(seed);
        _generator = new torch.Generator((ulong)_random.NextInt64(), device);
        _device = device;
        _tableSize = tableSize;
        _probability = probability;
    }

    /// <summary>Random indices into a table, for the elements of a tensor.</summary>
    public torch.Tensor Indices(long count) => Stretch(ref _indices, count, size =>
        torch.randint(0, _tableSize, [size], torch.ScalarType.Int32, _device, generator: _generator));

    /// <summary>Random choices, true with the pool's probability, for the elements of a tensor.</summary>
    public torch.Tensor Choices(long count) => Stretch(ref _choices, count, size =>
        torch.rand([size], torch.ScalarType.Float32, _device, generator: _generator).lt(_probability));

    /// <summary>Fresh random indices, few enough that drawing them costs nothing.</summary>
    public torch.Tensor FreshIndices(long limit, long count) => torch.randint(0, limit, [count], torch.ScalarType.Int64, _device, generator: _generator);

    public void Dispose()
    {
        _indices?.Dispose();
        _choices?.Dispose();
        _generator.Dispose();
    }

    private torch.Tensor Stretch(ref torch.Tensor? pool, long count, Func<long, torch.Tensor> draw)
    {
        if (pool is null || pool.numel() < count + Beginnings)
        {
            pool?.Dispose();
            pool = draw(count + Beginnings).DetachFromDisposeScope();
        }
        return pool.narrow(0, _random.Next(Beginnings), count);
    }
}

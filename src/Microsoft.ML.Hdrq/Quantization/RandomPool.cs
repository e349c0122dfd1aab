using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Random draws that are made once and used many times: every use reads a stretch from a random start. Drawing anew for
/// every element of every activation would take longer than the convolutions in between.
/// </summary>
internal sealed class RandomPool : IDisposable
{
    /// <summary>The number of different starts.</summary>
    private const int StartCount = 1 << 16;

    private readonly Random _random;
    private readonly torch.Generator _generator;
    private readonly torch.Device _device;
    private readonly int _tableSize;
    private readonly double _probability;
    private torch.Tensor? _draws;

    /// <summary>Makes an empty pool.</summary>
    /// <param name="seed">The seed of all draws.</param>
    /// <param name="device">The device that uses the draws.</param>
    /// <param name="tableSize">The upper limit of indices, exclusive, a power of two.</param>
    /// <param name="probability">The probability that a choice is true.</param>
    public RandomPool(int seed, torch.Device device, int tableSize, double probability)
    {
        _random = new Random(seed);
        _generator = new torch.Generator((ulong)_random.NextInt64());
        _device = device;
        _tableSize = tableSize;
        _probability = probability;
    }

    /// <summary>
    /// Gets a random integer for each element of a tensor. The bits below the table's size are an index into the table;
    /// the integer is negative where the choice is false, with 1 minus the pool's probability.
    /// </summary>
    public torch.Tensor Draws(long count)
    {
        if (_draws is null || _draws.numel() < count + StartCount)
        {
            _draws?.Dispose();
            using var scope = torch.NewDisposeScope();
            long[] size = [count + StartCount];
            // Made in host memory, so that they are the same for all devices.
            var indices = torch.randint(0, _tableSize, size, torch.ScalarType.Int32, torch.CPU, generator: _generator);
            var isFalse = torch.rand(size, torch.ScalarType.Float32, torch.CPU, generator: _generator)
                .ge(Scalars.Keep(_probability));
            _draws = indices.add(isFalse, Scalars.Keep(int.MinValue)).to(_device).DetachFromDisposeScope();
        }
        return _draws.narrow(0, _random.Next(StartCount), count);
    }

    /// <summary>Gets random indices into a table for the elements of a tensor.</summary>
    public torch.Tensor Indices(long count) =>
        Draws(count).bitwise_and(torch.tensor(_tableSize - 1, device: _device));

    /// <summary>Gets random choices, true with the pool's probability, for the elements of a tensor.</summary>
    public torch.Tensor Choices(long count) => Draws(count).ge(Scalars.Keep(0));

    /// <summary>Draws a new random index.</summary>
    public int Next(int limit) => _random.Next(limit);

    /// <summary>Draws new random indices, few enough that drawing them costs little.</summary>
    public torch.Tensor FreshIndices(long limit, long count) =>
        torch.randint(0, limit, [count], torch.ScalarType.Int64, torch.CPU, generator: _generator).to(_device);

    public void Dispose()
    {
        _draws?.Dispose();
        _generator.Dispose();
    }
}

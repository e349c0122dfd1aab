using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Distributes bits among layers greedily: starting from the minimum, each step adds bits to the layer where they lower
/// the error most for their size. The result is optimal at every size that a step ends on if the errors of layers add
/// up and have diminishing returns (Shoham and Gersho, "Efficient Bit Allocation for an Arbitrary Set of Quantizers",
/// 1988).
/// </summary>
internal sealed class BitAllocation
{
    private readonly ImmutableArray<Layer> _layers;

    /// <summary>Computes the steps.</summary>
    /// <param name="layers">The layers to choose bits for.</param>
    public BitAllocation(ImmutableArray<Layer> layers)
    {
        _layers = layers;
        var bits = new int[layers.Length];
        Array.Fill(bits, QuantizationRange.MinBits);
        var steps = ImmutableArray.CreateBuilder<(int Layer, int Bits)>();
        while (true)
        {
            var best = (Gain: 0.0, Layer: -1, Bits: 0);
            for (var l = 0; l < layers.Length; l++)
            {
                for (var b = bits[l] + 1; b <= QuantizationRange.MaxBits; b++)
                {
                    var gain = (layers[l].Error(bits[l]) - layers[l].Error(b))
                        / ((double)(b - bits[l]) * layers[l].Count);
                    if (gain > best.Gain)
                        best = (gain, l, b);
                }
            }
            if (best.Layer < 0)
                break;
            bits[best.Layer] = best.Bits;
            steps.Add((best.Layer, best.Bits));
        }
        Steps = steps.ToImmutable();
    }

    /// <summary>The steps from the minimum number of bits on: the layer, and its new number of bits.</summary>
    public ImmutableArray<(int Layer, int Bits)> Steps { get; }

    /// <summary>Gets the bits of all layers after some steps, by layer name.</summary>
    public Dictionary<string, int> After(int steps) => Take(Enumerable.Range(0, steps));

    /// <summary>Gets the bits that fit into a size; steps that no longer fit are skipped.</summary>
    /// <param name="size">The size in bits.</param>
    /// <exception cref="ArgumentException">Even the minimum number of bits does not fit.</exception>
    public Dictionary<string, int> Within(long size)
    {
        var used = _layers.Sum(layer => QuantizationRange.MinBits * layer.Count);
        if (used > size)
            throw new ArgumentException($"The weights need at least {(used + 7) / 8} bytes.");
        var bits = Enumerable.Repeat(QuantizationRange.MinBits, _layers.Length).ToArray();
        var taken = new List<int>();
        for (var s = 0; s < Steps.Length; s++)
        {
            var (layer, next) = Steps[s];
            var cost = (next - bits[layer]) * _layers[layer].Count;
            if (used + cost > size)
                continue;
            used += cost;
            bits[layer] = next;
            taken.Add(s);
        }
        return Take(taken);
    }

    private Dictionary<string, int> Take(IEnumerable<int> steps)
    {
        var bits = _layers.ToDictionary(layer => layer.Name, _ => QuantizationRange.MinBits, StringComparer.Ordinal);
        foreach (var step in steps)
            bits[_layers[Steps[step].Layer].Name] = Steps[step].Bits;
        return bits;
    }

    /// <summary>A layer, or all layers of one name.</summary>
    /// <param name="Name">The name.</param>
    /// <param name="Count">The number of weights.</param>
    /// <param name="Errors">The error for 2, 3, ... 8 bits.</param>
    internal sealed record Layer(string Name, long Count, ImmutableArray<double> Errors)
    {
        public double Error(int bits) => Errors[bits - QuantizationRange.MinBits];
    }
}

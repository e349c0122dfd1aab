using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Shares bits out among layers: starting from the fewest, each step gives more bits to the layer in which they lower the error most for their number. That is the best choice at every size that a step
/// ends on, where errors of layers add up and more bits help less and less (Shoham and Gersho, "Efficient Bit Allocation for an Arbitrary Set of Quantizers", 1988).
/// </summary>
internal sealed class BitAllocation
{
    private readonly ImmutableArray<Layer> _layers;

    /// <summary>Prepares the steps.</summary>
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
                    var gain = (layers[l].Error(bits[l]) - layers[l].Error(b)) / ((double)(b - bits[l]) * layers[l].Count);
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

    /// <summary>The steps from the fewest bits on: which layer, and the bits that it then has.</summary>
    public ImmutableArray<(int Layer, int Bits)> Steps { get; }

    /// <summary>The bits of all layers after some steps, by their names.</summary>
    public Dictionary<string, int> After(int steps) => Take(Enumerable.Range(0, steps));

    /// <summary>The bits that fit into a size: steps that do not fit any more are passed over.</summary>
    /// <param name="size">The size in bits.</param>
    /// <exception cref="ArgumentException">Not even the fewest bits fit.</exception>
    public Dictionary<string, int> Within(long size)
    {
        var used = _layers.Sum(layer => QuantizationRange.MinBits * layer.Count);
        if (used > size)
            throw new ArgumentException($"The weights need {(used + 7) / 8} bytes at least.");
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

    /// <summary>A layer, or all of one name.</summary>
    /// <param name="Name">The name.</param>
    /// <param name="Count">The number of weights.</param>
    /// <param name="Errors">The error with 2, 3, ... 8 bits.</param>
    internal sealed record Layer(string Name, long Count, ImmutableArray<double> Errors)
    {
        public double Error(int bits) => Errors[bits - QuantizationRange.MinBits];
    }
}

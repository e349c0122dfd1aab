using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>How bits are shared out.</summary>
[TestClass]
public sealed class BitAllocationTests
{
    [TestMethod]
    public void At_every_size_that_a_step_ends_on_nothing_is_better()
    {
        var random = new Random(1);
        for (var round = 0; round < 20; round++)
        {
            // Each bit more leaves a quarter of the error, as of a uniform quantizer.
            var layers = Enumerable.Range(0, 3)
                .Select(l => Layer($"layer {l}", 1 + random.Next(50), 1 + 10 * random.NextDouble())).ToImmutableArray();
            var allocation = new BitAllocation(layers);
            Assert.HasCount(3 * 6, allocation.Steps);
            for (var steps = 0; steps <= allocation.Steps.Length; steps++)
            {
                var bits = allocation.After(steps);
                var (size, error) = (Size(layers, bits), Error(layers, bits));
                foreach (var other in All(layers).Where(other => Size(layers, other) <= size))
                    Assert.IsLessThanOrEqualTo(Error(layers, other) * (1 + 1e-9), error);
            }
        }
    }

    [TestMethod]
    public void A_size_is_filled_and_not_exceeded()
    {
        ImmutableArray<BitAllocation.Layer> layers =
            [Layer("small", 10, 1), Layer("large", 1000, 5), Layer("middle", 100, 2)];
        var allocation = new BitAllocation(layers);
        for (var size = 2 * 1110; size <= 8 * 1110; size += 37)
        {
            var bits = allocation.Within(size);
            var left = size - Size(layers, bits);
            Assert.IsGreaterThanOrEqualTo(0, left);
            // Nothing that would fit is left below the most bits.
            Assert.IsTrue(layers.All(layer => bits[layer.Name] == 8 || layer.Count > left), $"{size}");
        }
        Assert.ThrowsExactly<ArgumentException>(() => allocation.Within(2 * 1110 - 1));
    }

    [TestMethod]
    public void More_bits_that_do_not_help_are_skipped()
    {
        // Three bits are no better than two here, and four are.
        var allocation = new BitAllocation([new("layer", 5, [4, 4, 1, 1, 1, 1, 1])]);
        CollectionAssert.AreEqual(new[] { (0, 4) }, allocation.Steps);
    }

    private static BitAllocation.Layer Layer(string name, long count, double error) =>
        new(name, count, [.. Enumerable.Range(2, 7).Select(bits => error * Math.Pow(4, -bits))]);

    private static long Size(IEnumerable<BitAllocation.Layer> layers, Dictionary<string, int> bits) =>
        layers.Sum(layer => layer.Count * bits[layer.Name]);

    private static double Error(IEnumerable<BitAllocation.Layer> layers, Dictionary<string, int> bits) =>
        layers.Sum(layer => layer.Error(bits[layer.Name]));

    private static IEnumerable<Dictionary<string, int>> All(ImmutableArray<BitAllocation.Layer> layers) =>
        from a in Enumerable.Range(2, 7)
        from b in Enumerable.Range(2, 7)
        from c in Enumerable.Range(2, 7)
        select new Dictionary<string, int> { [layers[0].Name] = a, [layers[1].Name] = b, [layers[2].Name] = c };
}

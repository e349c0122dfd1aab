using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class BatchSelectionTests
{
    private static readonly BatchIndices _indices = new([4, 0, 4, 2]);

    // An odd number of values, more than one thread takes at a time, and a vector for each image.
    public static IEnumerable<object[]> Shapes { get; } =
        [[new long[] { 5, 3, 7, 7 }], [new long[] { 5, 1, 201, 301 }], [new long[] { 5, 9 }]];

    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void ABatchHoldsTheImagesOfItsIndices(long[] shape)
    {
        using var scope = torch.NewDisposeScope();
        using var pool = new RandomPool(1, torch.CPU, NoiseRounding.TableSize, 0.5);
        using var workspace = new Workspace();
        var images = SmallNetworks.Random(1, shape);
        var expected = TensorData.FromTorch(torch.stack(_indices.Host.Select(index => images[index]).ToList()));
        var batches = new BatchSelection(torch.CPU, pool, workspace);
        Assert.AreEqual(expected, TensorData.FromTorch(batches.Select(images, _indices)));
        Assert.AreEqual(expected, TensorData.FromTorch(batches.Select(Strided(images), _indices)), "tensor operations");
    }

    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void EachNumberOfAMixedBatchIsFromOneOfTheTwo(long[] shape)
    {
        using var scope = torch.NewDisposeScope();
        using var workspace = new Workspace();
        var (quantized, exact) = (SmallNetworks.Random(1, shape), SmallNetworks.Random(2, shape));
        var results = new[] { false, true }.Select(isStrided =>
        {
            using var pool = new RandomPool(1, torch.CPU, NoiseRounding.TableSize, 0.8);
            var batches = new BatchSelection(torch.CPU, pool, workspace);
            return TensorData.FromTorch(
                isStrided ? batches.SelectMixed(Strided(quantized), exact, _indices)
                : batches.SelectMixed(quantized, exact, _indices));
        }).ToList();
        Assert.AreEqual(results[1], results[0], "One pass and tensor operations choose by the same draws.");

        using var samePool = new RandomPool(1, torch.CPU, NoiseRounding.TableSize, 0.8);
        var plain = new BatchSelection(torch.CPU, samePool, workspace);
        var mixed = Golden.Numbers(results[0].ToTorch());
        var (first, second) = (Golden.Numbers(plain.Select(quantized, _indices)),
            Golden.Numbers(plain.Select(exact, _indices)));
        for (var i = 0; i < mixed.Length; i++)
            Assert.IsTrue(mixed[i] == first[i] || mixed[i] == second[i]);
        if (mixed.Length > 10_000)
            Assert.AreEqual(0.8, mixed.Zip(first).Count(pair => pair.First == pair.Second) / (double)mixed.Length, 0.01);
    }

    /// <summary>The same numbers, but not one after the other in memory.</summary>
    private static torch.Tensor Strided(torch.Tensor images) => torch.stack([images, images], -1).select(-1, 0);
}

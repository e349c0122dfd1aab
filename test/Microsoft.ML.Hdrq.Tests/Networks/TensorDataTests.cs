using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public class TensorDataTests
{
    [TestMethod]
    [DataRow(new[] { -1L }, 4)]
    [DataRow(new[] { 2L }, 4)]
    [DataRow(new[] { 1L }, 8)]
    [DataRow(new long[0], 0)]
    [DataRow(new[] { 0L }, 4)]
    [DataRow(new[] { 1L << 62, 4L }, 0)]
    [DataRow(new[] { 1L << 62, 4L, 0L }, 0)]
    [DataRow(new[] { 1L << 30, 1L << 30 }, 0)]
    public void RefusesShapesThatDoNotMatchTheBytes(long[] shape, int bytes) =>
        Assert.ThrowsExactly<ArgumentException>(() => new TensorData(ElementType.Float32, shape, new byte[bytes]));

    [TestMethod]
    public void EqualityIsByTypeShapeAndBits()
    {
        Assert.AreEqual(TensorData.Of([1f, float.NaN], 2), TensorData.Of([1f, float.NaN], 2));
        Assert.AreEqual(TensorData.Of([1f, 2], 2).GetHashCode(), TensorData.Of([1f, 2], 2).GetHashCode());
        Assert.AreNotEqual(TensorData.Of([1f, 2], 2), TensorData.Of([1f, 2], 1, 2));
        Assert.AreNotEqual(TensorData.Of([0f], 1), TensorData.Of([-0f], 1));
        Assert.AreNotEqual(TensorData.Of([0f], 1), TensorData.Of([0], 1));
        Assert.AreNotEqual(new TensorData(ElementType.Int8, [1], [1]), new TensorData(ElementType.Int4, [1], [1]));
    }

    [TestMethod]
    public void CopiesViewsOfTorchInTheOrderOfTheirElements()
    {
        LiveTensors.AssertUnchanged(() =>
        {
            using var tensor = torch.tensor([1f, 2, 3, 4, 5, 6], 2, 3);
            using var view = tensor.t();
            using var column = tensor[torch.TensorIndex.Colon, torch.TensorIndex.Single(1)];
            Assert.AreEqual(TensorData.Of([1f, 4, 2, 5, 3, 6], 3, 2), TensorData.FromTorch(view));
            Assert.AreEqual(TensorData.Of([2f, 5], 2), TensorData.FromTorch(column));
            using var copy = TensorData.FromTorch(view).ToTorch();
            copy.zero_().Dispose();
            Assert.AreEqual(TensorData.Of([1f, 2, 3, 4, 5, 6], 2, 3), TensorData.FromTorch(tensor));
        });
    }
}

using Microsoft.ML.Hdrq.Adaptation;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Adaptation;

[TestClass]
public sealed class ImageAugmentationTests
{
    [TestMethod]
    [DataRow(0, null, true)]
    [DataRow(3, null, false)]
    [DataRow(0, 5, true)]
    [DataRow(2, 7, true)]
    [DataRow(20, 40, true)]
    public void Masks_stay_over_their_images(int padding, int? crop, bool flip)
    {
        using var scope = torch.NewDisposeScope();
        var masks = torch.randint(0, 256, [6, 9, 12], torch.ScalarType.Byte, generator: new torch.Generator(1));
        var images = torch.stack([masks.to(torch.ScalarType.Float32), masks.to(torch.ScalarType.Float32).neg()], 1);
        var (changed, labels) = ImageAugmentation.Apply(
            images, masks, new() { CropPadding = padding, CropSize = crop, HorizontalFlip = flip }, new Random(2));

        CollectionAssert.AreEqual(new long[] { 6, 2, Math.Min(crop ?? 9, 9), Math.Min(crop ?? 12, 12) }, changed.shape);
        Assert.AreEqual(torch.ScalarType.Int64, labels!.dtype);
        Assert.IsTrue(changed.select(1, 0).equal(labels.to(torch.ScalarType.Float32)).all().item<bool>());
        Assert.IsTrue(changed.select(1, 1).neg().equal(labels.to(torch.ScalarType.Float32)).all().item<bool>());
    }

    [TestMethod]
    public void Crops_are_windows_of_the_image_and_all_places_occur()
    {
        using var scope = torch.NewDisposeScope();
        var images = torch.arange(20, torch.ScalarType.Float32).reshape(1, 1, 4, 5).expand(200, 1, 4, 5);
        var (changed, _) = ImageAugmentation.Apply(
            images, torch.zeros(200, torch.ScalarType.Int64),
            new() { CropPadding = 0, CropSize = 3, HorizontalFlip = false }, new Random(1));
        var first = changed.flatten(1).select(1, 0).data<float>().ToArray();
        // Two rows and three columns in which a window of 3 x 3 can begin.
        CollectionAssert.AreEquivalent(new float[] { 0, 1, 2, 5, 6, 7 }, first.Distinct().ToArray());
        var offsets = changed.sub(changed.narrow(2, 0, 1).narrow(3, 0, 1));
        var expected = torch.tensor(new float[] { 0, 1, 2, 5, 6, 7, 10, 11, 12 }).reshape(1, 1, 3, 3).expand(200, 1, 3, 3);
        Assert.IsTrue(offsets.equal(expected).all().item<bool>());
    }

    [TestMethod]
    public void What_is_no_image_stays_as_it_is()
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.rand(3, 7);
        var (changed, labels) = ImageAugmentation.Apply(rows, torch.tensor(new long[] { 2, 1, 0 }), new(), new Random(1));
        Assert.IsTrue(changed.equal(rows).all().item<bool>());
        CollectionAssert.AreEqual(new long[] { 2, 1, 0 }, labels!.data<long>().ToArray());
    }
}

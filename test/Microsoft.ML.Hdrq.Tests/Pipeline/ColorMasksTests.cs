using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class ColorMasksTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        [VectorType(1, 3)]
        public byte[] Mask { get; set; } = [];

        [ImageType(2, 3)]
        public MLImage? Image { get; set; }
    }

    [TestMethod]
    [DataRow(MLPixelFormat.Bgra32)]
    [DataRow(MLPixelFormat.Rgba32)]
    public void Colours_lie_over_the_image(MLPixelFormat format)
    {
        // Two rows of three grey pixels under a mask of one row.
        var row = new Row
        {
            Mask = [0, 255, 1],
            Image = MLImage.CreateFromPixels(
                3, 2, format, [.. Enumerable.Repeat(new byte[] { 100, 100, 100, 255 }, 6)
                    .SelectMany(pixel => pixel)])
        };
        using var image = Color(row, new() { Palette = [new(200, 100, 0), new(0, 0, 250)], Opacity = 0.5 });
        Assert.AreEqual((3, 2), (image.Width, image.Height));
        var isRgba = image.PixelFormat == MLPixelFormat.Rgba32;
        byte[] first = isRgba ? [150, 100, 50, 255] : [50, 100, 150, 255];
        byte[] last = isRgba ? [50, 50, 175, 255] : [175, 50, 50, 255];
        byte[] line = [.. first, 100, 100, 100, 255, .. last];
        CollectionAssert.AreEqual(line.Concat(line).ToArray(), image.Pixels.ToArray());
        row.Image!.Dispose();
    }

    [TestMethod]
    public void Opacity_goes_from_nothing_to_all()
    {
        using var grey = MLImage.CreateFromPixels(3, 2, MLPixelFormat.Rgba32, [.. Enumerable.Repeat((byte)255, 24)]);
        using var none = Color(new Row { Mask = [0, 1, 2], Image = grey }, new() { Opacity = 0 });
        CollectionAssert.AreEqual(grey.Pixels.ToArray(), none.Pixels.ToArray());
        using var all = Color(new Row { Mask = [0, 1, 2], Image = grey }, new() { Opacity = 1 });
        // The palette of Pascal VOC after black: dark red, dark green, olive.
        CollectionAssert.AreEqual(new byte[] { 128, 0, 0, 255, 0, 128, 0, 255, 128, 128, 0, 255 },
            all.Pixels[..12].ToArray());
    }

    [TestMethod]
    public void Every_class_has_its_colour()
    {
        Assert.HasCount(255, Enumerable.Range(0, 255).Select(label => MaskColor.Of((byte)label)).Distinct());
        Assert.AreEqual(new MaskColor(224, 224, 192), MaskColor.Of(254));
    }

    [TestMethod]
    public void What_does_not_fit_is_refused_by_name()
    {
        var data = _ml.Data.LoadFromEnumerable(Array.Empty<Row>());
        Assert.Contains("'Masks'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.ColorMasks("Colored", "Masks", "Image").Fit(data)).Message);
        Assert.Contains("'Image'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.ColorMasks("Colored", "Image", "Image").Fit(data)).Message);
        Assert.Contains("'Mask'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.ColorMasks("Colored", "Mask", "Mask").Fit(data)).Message);
        Assert.AreEqual("Opacity", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.ColorMasks("Colored", "Mask", "Image", new() { Opacity = 1.5 })).ParamName);
        Assert.AreEqual("Palette", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _ml.Transforms.ColorMasks("Colored", "Mask", "Image", new() { Palette = [] })).ParamName);
        Assert.IsInstanceOfType<ImageDataViewType>(
            _ml.Transforms.ColorMasks("Colored", "Mask", "Image").Fit(data)
            .GetOutputSchema(data.Schema)["Colored"].Type);
    }

    private MLImage Color(Row row, MaskColoringOptions options)
    {
        var data = _ml.Data.LoadFromEnumerable([row]);
        return _ml.Transforms.ColorMasks("Colored", "Mask", "Image", options).Fit(data).Transform(data)
            .GetColumn<MLImage>("Colored").Single();
    }
}

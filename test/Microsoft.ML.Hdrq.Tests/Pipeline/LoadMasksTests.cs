using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Transforms.Image;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class LoadMasksTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Row
    {
        public string Path { get; set; } = "";
    }

    [TestMethod]
    public void The_values_of_the_file_come_out_whatever_its_form()
    {
        using var folder = new TemporaryDirectory();
        foreach (var (bits, color, isInterlaced) in from bits in new[] { 1, 2, 4, 8 }
                                                    from color in new byte[] { 0, 3 }
                                                    from isInterlaced in new[] { false, true }
                                                    select (bits, color, isInterlaced))
        {
            foreach (var (height, width) in new[] { (1, 1), (3, 5), (13, 17) })
            {
                var samples = Random(height, width, 1 << bits, seed: bits);
                var path = folder.Combine($"{bits}-{color}-{isInterlaced}-{width}.png");
                File.WriteAllBytes(path, SmallPng.Encode(samples, bits, color, line => (byte)(line % 5), isInterlaced));
                CollectionAssert.AreEqual(samples.Cast<byte>().ToArray(), Load(path, width, height), path);
            }
        }
    }

    [TestMethod]
    public void Files_of_another_encoder_are_read()
    {
        using var folder = new TemporaryDirectory();
        using var bitmap = new SKBitmap(new SKImageInfo(40, 30, SKColorType.Gray8, SKAlphaType.Opaque));
        var random = new Random(1);
        // Smooth enough for every filter to be of use.
        var expected = Enumerable.Range(0, 40 * 30).Select(i => (byte)(i / 13 + random.Next(3))).ToArray();
        System.Runtime.InteropServices.Marshal.Copy(expected, 0, bitmap.GetPixels(), expected.Length);
        using (var file = File.Create(folder.Combine("grey.png")))
            bitmap.Encode(file, SKEncodedImageFormat.Png, 100);
        CollectionAssert.AreEqual(expected, Load(folder.Combine("grey.png"), 40, 30));
    }

    [TestMethod]
    public void Real_masks_hold_what_an_image_library_sees()
    {
        var path = Directory.GetFiles(SharedData.Require("data/camvid/dusk/test/labels"), "*.png")
            .Order(StringComparer.Ordinal).First();
        using var bitmap = SKBitmap.Decode(path);
        CollectionAssert.AreEqual(bitmap.Pixels.Select(color => color.Red).ToArray(),
            Load(path, bitmap.Width, bitmap.Height));
    }

    [TestMethod]
    public void Values_become_classes()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("mask.png");
        File.WriteAllBytes(path, SmallPng.Encode(new byte[,] { { 0, 1, 2, 7, 255 } }));
        CollectionAssert.AreEqual(new byte[] { 0, 1, 2, 7, 255 }, Load(path, 5, 1));
        CollectionAssert.AreEqual(new byte[] { 0, 1, 2, 255, 255 }, Load(path, 5, 1, new() { IgnoredValue = 7 }));
        CollectionAssert.AreEqual(new byte[] { 255, 0, 255, 0, 255 },
            Load(path, 5, 1, new() { ClassMap = new Dictionary<byte, byte> { [1] = 0, [7] = 0 } }));
        CollectionAssert.AreEqual(new byte[] { 0, 1, 2, 7, 255 },
            Load("mask.png", 5, 1, new() { ImageFolder = Path.GetDirectoryName(path) }));
        CollectionAssert.AreEqual(new byte[] { 255, 255 }, Load("", 2, 1));
    }

    [TestMethod]
    public void Resizing_takes_the_nearest_pixel()
    {
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("mask.png");
        File.WriteAllBytes(path, SmallPng.Encode(new byte[,] { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } }));
        // Pixel i lies over the point (i + 1/2) 4 / 6 of the source: 0.33, 1, 1.67, 2.33, 3, 3.67.
        CollectionAssert.AreEqual(new byte[] { 1, 2, 2, 3, 4, 4 },
            Load(path, 6, 1, new() { Resizing = ImageResizingEstimator.ResizingKind.Fill })
            .Select(value => (byte)(value > 4 ? value - 4 : value)).ToArray());
        // The middle two columns, and all of them between two lines without a class.
        CollectionAssert.AreEqual(new byte[] { 2, 3, 6, 7 }, Load(path, 2, 2));
        CollectionAssert.AreEqual(new byte[] { 255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255 },
            Load(path, 4, 4, new() { Resizing = ImageResizingEstimator.ResizingKind.IsoPad }));
        CollectionAssert.AreEqual(new byte[] { 1, 2, 5, 6 },
            Load(path, 2, 2, new() { CropAnchor = ImageResizingEstimator.Anchor.Left }));
        CollectionAssert.AreEqual(new byte[] { 3, 4, 7, 8 },
            Load(path, 2, 2, new() { CropAnchor = ImageResizingEstimator.Anchor.Right }));
    }

    [TestMethod]
    [DataRow(ImageResizingEstimator.ResizingKind.Fill, 96, 96)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoCrop, 96, 96)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoCrop, 60, 100)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoPad, 96, 96)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoPad, 100, 30)]
    public void Masks_lie_over_images_that_MLNet_resized(ImageResizingEstimator.ResizingKind kind, int width, int height)
    {
        using var folder = new TemporaryDirectory();
        var samples = new byte[120, 160];
        for (var (y, x) = (0, 0); y < 120; (y, x) = x == 159 ? (y + 1, 0) : (y, x + 1))
            samples[y, x] = (byte)(40 + 40 * (x / 40) + 10 * (y / 40));
        var path = folder.Combine("blocks.png");
        File.WriteAllBytes(path, SmallPng.Encode(samples));
        var data = Data(path);
        var image = _ml.Transforms.LoadImages("Image", "", "Path")
            .Append(_ml.Transforms.ResizeImages("Image", width, height, resizing: kind))
            .Append(_ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Fit(data).Transform(data).GetColumn<float[]>("Pixels").Single()[..(width * height)];
        var mask = Load(path, width, height, new() { Resizing = kind });

        // Where the image is one block all around, the mask must be that block; what was padded is black.
        var compared = 0;
        for (var y = 1; y < height - 1; y++)
        {
            for (var x = 1; x < width - 1; x++)
            {
                var around = from dy in new[] { -1, 0, 1 }
                             from dx in new[] { -1, 0, 1 }
                             select image[(y + dy) * width + x + dx];
                if (around.Distinct().Count() > 1)
                    continue;
                Assert.AreEqual(image[y * width + x], mask[y * width + x] == 255 ? 0 : mask[y * width + x], 1, $"{x}, {y}");
                compared++;
            }
        }
        Assert.IsGreaterThan(width * height / 2, compared);
    }

    [TestMethod]
    public void Columns_are_as_the_schema_says()
    {
        var estimator = _ml.Transforms.LoadMasks("Mask", "Path", 6, 4);
        var data = Data("");
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Byte, 4, 6),
            estimator.Fit(data).GetOutputSchema(data.Schema)["Mask"].Type);
        var column = estimator.GetOutputSchema(
            _ml.Transforms.CustomMapping<Nothing, Row>((_, _) => { }, null).GetOutputSchema(new SchemaShape([])))
            .Single(column => column.Name == "Mask");
        Assert.AreEqual((SchemaShape.Column.VectorKind.Vector, (DataViewType)NumberDataViewType.Byte),
            (column.Kind, column.ItemType));
        Assert.IsTrue(estimator.Fit(data).IsRowToRowMapper);
    }

    [TestMethod]
    public void What_is_no_mask_is_refused_by_name()
    {
        using var folder = new TemporaryDirectory();
        var good = SmallPng.Encode(new byte[,] { { 0, 1, 2 }, { 3, 4, 5 } });
        byte[] colors = [.. good];
        colors[25] = 2;
        byte[] broken = [.. good];
        broken[48] ^= 0x10;
        foreach (var (content, part) in new[] { (good[..^20], "middle"), ("GIF89a and more"u8.ToArray(), "not a PNG"),
            (colors, "colour type 2"), (broken, "cannot be read") })
        {
            var path = folder.Combine("bad mask.png");
            File.WriteAllBytes(path, content);
            // ML.NET reads on threads of its own, and wraps what they throw.
            var exception = Assert.Throws<Exception>(() => Load(path, 3, 2));
            var message = Assert.IsInstanceOfType<InvalidDataException>(
                exception is InvalidOperationException ? exception.InnerException : exception).Message;
            Assert.Contains("bad mask.png", message);
            Assert.Contains(part, message);
        }
        Assert.AreEqual("Resizing",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.LoadMasks(
                    "Mask", "Path", 2, 2, new() { Resizing = (ImageResizingEstimator.ResizingKind)9 })).ParamName);
        Assert.AreEqual("CropAnchor",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.LoadMasks(
                    "Mask", "Path", 2, 2, new() { CropAnchor = (ImageResizingEstimator.Anchor)9 })).ParamName);
        Assert.AreEqual("imageWidth",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _ml.Transforms.LoadMasks("Mask", "Path", 0, 2)).ParamName);
    }

    private byte[] Load(string path, int width, int height, MaskLoadingOptions? options = null) =>
        _ml.Transforms.LoadMasks("Mask", "Path", width, height, options).Fit(Data(path)).Transform(Data(path))
            .GetColumn<VBuffer<byte>>("Mask").Single().DenseValues().ToArray();

    private IDataView Data(string path) => _ml.Data.LoadFromEnumerable([new Row { Path = path }]);

    private sealed class Nothing;

    private static byte[,] Random(int height, int width, int levels, int seed)
    {
        var random = new Random(seed);
        var samples = new byte[height, width];
        for (var (y, x) = (0, 0); y < height; (y, x) = x == width - 1 ? (y + 1, 0) : (y, x + 1))
            samples[y, x] = (byte)random.Next(levels);
        return samples;
    }
}

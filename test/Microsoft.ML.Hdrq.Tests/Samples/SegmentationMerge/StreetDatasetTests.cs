using Hdrq.Samples.Data;
using Hdrq.Samples.Drawing;
using SegmentationMerge.Data;
using SegmentationMerge.StreetScenes;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tests.Samples.SegmentationMerge;

[TestClass]
public sealed class StreetDatasetTests
{
    [TestMethod]
    public void Names_are_as_documented()
    {
        CollectionAssert.AreEqual(new[] { "day", "dusk", "fog", "night" }, StreetDataset.Domains.ToArray());
        CollectionAssert.AreEqual(new[] { "sky", "road", "pavement", "building", "tree", "car", "pedestrian", "pole" }, StreetDataset.Classes.ToArray());
    }

    [TestMethod]
    public void Write_lays_out_every_domain_and_split()
    {
        using var folder = new TemporaryDirectory();
        Assert.AreEqual(20, StreetDataset.Write(folder.Path, 5, train: 3, test: 2));

        var read = FrameFolder.Open(folder.Path);
        CollectionAssert.AreEqual(StreetDataset.Domains.ToArray(), read.Domains.ToArray());
        CollectionAssert.AreEqual(StreetDataset.Classes.ToArray(), read.Classes.ToArray());
        Assert.AreEqual((64, 96), read.FirstImageSize());
        foreach (var domain in StreetDataset.Domains)
        {
            Assert.HasCount(3, read.Frames(domain, DataSplit.Train));
            Assert.HasCount(2, read.Frames(domain, DataSplit.Test));
        }
    }

    [TestMethod]
    public void Files_hold_the_drawn_pixels_and_classes()
    {
        using var folder = new TemporaryDirectory();
        StreetDataset.Write(folder.Path, 5, train: 1, test: 2);
        using var renderer = new StreetRenderer();
        var expected = StreetDataset.Render(renderer, 5, "night", DataSplit.Test, index: 1);

        using var image = SKBitmap.Decode(folder.Combine("night", "test", "images", "0001.png"));
        CollectionAssert.AreEqual(expected.Image.ToBytes(), image.Pixels.SelectMany(pixel => new[] { pixel.Red, pixel.Green, pixel.Blue }).ToArray());
        using var mask = SKBitmap.Decode(folder.Combine("night", "test", "labels", "0001.png"));
        Assert.AreEqual(SKColorType.Gray8, mask.ColorType);
        CollectionAssert.AreEqual(expected.Classes, mask.Bytes);
    }

    [TestMethod]
    public void Same_seed_writes_the_same_bytes_and_another_seed_others()
    {
        using var first = new TemporaryDirectory();
        using var second = new TemporaryDirectory();
        using var other = new TemporaryDirectory();
        StreetDataset.Write(first.Path, 5, 1, 1);
        StreetDataset.Write(second.Path, 5, 1, 1);
        StreetDataset.Write(other.Path, 6, 1, 1);
        foreach (var path in Directory.GetFiles(first.Path, "*.png", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(first.Path, path);
            CollectionAssert.AreEqual(File.ReadAllBytes(path), File.ReadAllBytes(second.Combine(relative)), relative);
            CollectionAssert.AreNotEqual(File.ReadAllBytes(path), File.ReadAllBytes(other.Combine(relative)), relative);
        }
    }

    [TestMethod]
    public void A_frame_does_not_depend_on_what_was_drawn_before()
    {
        using var fresh = new StreetRenderer();
        var alone = StreetDataset.Render(fresh, 5, "dusk", DataSplit.Train, 3);
        using var used = new StreetRenderer();
        for (var index = 9; index >= 5; index--)
            StreetDataset.Render(used, 5, "fog", DataSplit.Test, index);
        var again = StreetDataset.Render(used, 5, "dusk", DataSplit.Train, 3);
        CollectionAssert.AreEqual(alone.Image.Values, again.Image.Values);
        CollectionAssert.AreEqual(alone.Classes, again.Classes);
    }

    /// <summary>Which outline a point lies in is asked of Skia's geometry here, without drawing. Edges that run through the middle of a pixel may be seen either way.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void Masks_have_the_class_of_the_foremost_outline_under_the_middle_of_each_pixel(int seed)
    {
        using var scene = StreetBuilder.Build(new Random(seed));
        using var renderer = new StreetRenderer();
        var frame = renderer.Render(scene);
        var disagreeing = 0;
        for (var pixel = 0; pixel < frame.Classes.Length; pixel++)
        {
            var (x, y) = (pixel % StreetRenderer.Width + 0.5f, pixel / StreetRenderer.Width + 0.5f);
            if ((byte)scene.Parts.Last(part => part.Outline.Contains(x, y)).Class != frame.Classes[pixel])
                disagreeing++;
        }
        Assert.IsLessThanOrEqualTo(frame.Classes.Length / 250, disagreeing);
    }

    /// <summary>A pixel that one outline alone covers has exactly its colour, and its class.</summary>
    [TestMethod]
    public void Images_and_masks_are_drawn_from_the_same_outlines()
    {
        using var scene = new StreetScene(new(new(48, 30), 80, 1.5f));
        scene.Add(StreetClass.Sky, 100, new SKColor(10, 20, 30), path => path.AddRect(new(0, 0, StreetRenderer.Width, StreetRenderer.Height)));
        scene.Add(StreetClass.Car, 10, new SKColor(200, 100, 50), path => path.AddRect(new(20.3f, 10.7f, 40.3f, 30.7f)));
        using var renderer = new StreetRenderer();
        var frame = renderer.Render(scene);
        var colours = frame.Image.ToBytes();
        for (var y = 0; y < StreetRenderer.Height; y++)
        {
            for (var x = 0; x < StreetRenderer.Width; x++)
            {
                var pixel = y * StreetRenderer.Width + x;
                var isCar = x is >= 20 and < 40 && y is >= 11 and < 31;
                Assert.AreEqual((byte)(isCar ? StreetClass.Car : StreetClass.Sky), frame.Classes[pixel], $"{x}, {y}");
                Assert.AreEqual(isCar ? 10 : 100, frame.Depths[pixel]);
                if (x is >= 21 and < 40 && y is >= 11 and < 30)
                    CollectionAssert.AreEqual(new byte[] { 200, 100, 50 }, colours[(3 * pixel)..(3 * pixel + 3)]);
                if (x is < 20 or > 40 || y is < 10 or > 30)
                    CollectionAssert.AreEqual(new byte[] { 10, 20, 30 }, colours[(3 * pixel)..(3 * pixel + 3)]);
            }
        }
    }

    [TestMethod]
    public void Domains_share_test_scenes_but_not_training_scenes()
    {
        using var renderer = new StreetRenderer();
        foreach (var split in DataSplits.All)
        {
            var day = StreetDataset.Render(renderer, 5, "day", split, 0).Classes;
            var night = StreetDataset.Render(renderer, 5, "night", split, 0).Classes;
            Assert.AreEqual(split == DataSplit.Test, day.SequenceEqual(night));
        }
    }

    [TestMethod]
    public void Every_class_is_common_and_every_domain_has_its_own_look()
    {
        using var renderer = new StreetRenderer();
        var frames = StreetDataset.Domains.ToDictionary(domain => domain, domain => Enumerable.Range(0, 30).Select(index => StreetDataset.Render(renderer, 5, domain, DataSplit.Test, index)).ToList());
        foreach (var kind in Enum.GetValues<StreetClass>())
            Assert.IsGreaterThan(15, frames["day"].Count(frame => frame.Classes.Contains((byte)kind)), kind.ToString());
        double Mean(string domain) => frames[domain].Average(frame => frame.Image.ToBytes().Average(value => (double)value));
        double Contrast(string domain) => frames[domain].Average(frame => Deviation(frame.Image));
        Assert.IsLessThan(0.75 * Mean("day"), Mean("dusk"));
        Assert.IsLessThan(0.75 * Mean("dusk"), Mean("night"));
        Assert.IsGreaterThan(Mean("day"), Mean("fog"));
        Assert.IsLessThan(0.75 * Contrast("day"), Contrast("fog"));
    }

    [TestMethod]
    public void Fog_is_thicker_further_away()
    {
        using var renderer = new StreetRenderer();
        double lost = 0, kept = 0;
        for (var index = 0; index < 10; index++)
        {
            var (day, fog) = (StreetDataset.Render(renderer, 5, "day", DataSplit.Test, index), StreetDataset.Render(renderer, 5, "fog", DataSplit.Test, index));
            kept += Contrast(fog, depth => depth < 8) / Contrast(day, depth => depth < 8);
            lost += Contrast(fog, depth => depth is > 25 and < 100) / Contrast(day, depth => depth is > 25 and < 100);
        }
        Assert.IsLessThan(0.6 * kept, lost);

        static double Contrast(SceneFrame frame, Func<float, bool> counts)
        {
            var values = frame.Image.ToBytes().Chunk(3).Where((_, pixel) => counts(frame.Depths[pixel])).Select(pixel => pixel.Average(value => (double)value)).ToList();
            var mean = values.Average();
            return Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
        }
    }

    [TestMethod]
    public void A_cancelled_write_leaves_nothing()
    {
        using var parent = new TemporaryDirectory();
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => StreetDataset.Write(parent.Combine("streets"), 5, 2, 2, progress: null, source.Token));
        Assert.IsEmpty(Directory.GetFileSystemEntries(parent.Path));
    }

    private static double Deviation(RgbImage image)
    {
        var values = image.ToBytes();
        var mean = values.Average(value => (double)value);
        return Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
    }
}

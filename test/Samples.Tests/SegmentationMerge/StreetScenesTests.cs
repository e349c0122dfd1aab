using SkiaSharp;

namespace Hdrq.Samples.Tests.SegmentationMerge;

[TestClass]
public sealed class StreetScenesTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hdrq-").FullName;

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Every_domain_and_split_has_images_with_masks()
    {
        var streets = Draw("streets", seed: 5, train: 3, test: 2);

        CollectionAssert.AreEqual(
            new[] { "sky", "road", "pavement", "building", "tree", "car" },
            File.ReadAllLines(Path.Combine(streets, "classes.txt")));
        CollectionAssert.AreEquivalent(
            new[] { "day", "dusk", "fog", "night" }, Directory.GetDirectories(streets).Select(Path.GetFileName).ToArray());
        foreach (var domain in StreetScenes.Domains)
        {
            foreach (var (split, names) in new[] { ("train", new[] { "0000.png", "0001.png", "0002.png" }),
                ("test", ["0000.png", "0001.png"]) })
            {
                foreach (var kind in new[] { "images", "labels" })
                {
                    var files = Directory.GetFiles(Path.Combine(streets, domain, split, kind))
                        .Order(StringComparer.Ordinal).ToArray();
                    CollectionAssert.AreEqual(names, files.Select(Path.GetFileName).ToArray());
                    using var codec = SKCodec.Create(files[0]);
                    Assert.AreEqual((96, 64), (codec.Info.Width, codec.Info.Height));
                    Assert.AreEqual(kind == "labels", codec.Info.ColorType == SKColorType.Gray8);
                }
                Assert.IsTrue(names.All(name => Mask(streets, domain, split, name).All(value => value < 6)));
            }
        }
    }

    [TestMethod]
    public void Equal_seeds_give_equal_files_however_many_are_drawn()
    {
        var (few, many, other) = (Draw("few", 5, 1, 1), Draw("many", 5, 2, 3), Draw("other", 6, 1, 1));
        foreach (var file in Directory.GetFiles(few, "*.png", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(few, file);
            CollectionAssert.AreEqual(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(many, name)), name);
            CollectionAssert.AreNotEqual(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(other, name)), name);
        }
    }

    [TestMethod]
    public void A_folder_that_exists_is_left_as_it_is()
    {
        var mine = Directory.CreateDirectory(Path.Combine(_folder, "mine")).FullName;
        StreetScenes.Draw(mine, 1, 1, 1);
        Assert.IsEmpty(Directory.GetFileSystemEntries(mine));

        var streets = Draw("streets", 1, 1, 1);
        File.WriteAllText(Path.Combine(streets, "day", "note.txt"), "kept");
        StreetScenes.Draw(streets, 1, 2, 2);
        Assert.HasCount(1, Directory.GetFiles(Path.Combine(streets, "day", "train", "images")));
        Assert.AreEqual("kept", File.ReadAllText(Path.Combine(streets, "day", "note.txt")));
    }

    [TestMethod]
    public void What_cannot_be_finished_leaves_nothing()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        Assert.Throws<IOException>(() => StreetScenes.Draw(Path.Combine(file, "streets"), 1, 1, 1));
        CollectionAssert.AreEqual(new[] { file }, Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public void Domains_share_test_streets_but_not_training_streets()
    {
        var streets = Draw("streets", 5, 1, 1);
        foreach (var split in new[] { "train", "test" })
        {
            var masks = StreetScenes.Domains.Select(domain => Convert.ToHexString(Mask(streets, domain, split, "0000.png")));
            Assert.AreEqual(split == "test" ? 1 : 4, masks.Distinct().Count(), split);
        }
    }

    [TestMethod]
    public void Every_class_is_common_and_every_domain_has_its_own_look()
    {
        var streets = Draw("streets", 5, 1, 30);
        var masks = Frames(30).Select(name => Mask(streets, "day", "test", name)).ToList();
        for (byte value = 0; value < StreetScenes.Classes.Count; value++)
            Assert.IsGreaterThan(15, masks.Count(mask => mask.Contains(value)), StreetScenes.Classes[value]);

        var looks = StreetScenes.Domains.ToDictionary(
            domain => domain, domain => Frames(30).Select(name => Brightness(streets, domain, name)).ToList());
        double Mean(string domain) => looks[domain].Average(image => image.Average());
        double Contrast(string domain) => looks[domain].Average(Deviation);
        Assert.IsLessThan(0.75 * Mean("day"), Mean("dusk"));
        Assert.IsLessThan(0.75 * Mean("dusk"), Mean("night"));
        Assert.IsGreaterThan(Mean("day"), Mean("fog"));
        Assert.IsLessThan(0.75 * Contrast("day"), Contrast("fog"));
        // Fog is thicker further away: the lowest rows show what is near, those about the horizon what is far.
        double Kept(Range rows) => Frames(30)
            .Select((_, i) => Deviation(Rows(looks["fog"][i], rows)) / Deviation(Rows(looks["day"][i], rows)))
            .Average();
        Assert.IsLessThan(0.75 * Kept(54..64), Kept(24..34));
    }

    /// <summary>Colours change where classes do, and less so where the mask is moved.</summary>
    [TestMethod]
    public void Masks_lie_on_their_images()
    {
        var streets = Draw("streets", 5, 1, 20);
        double Edge(int shift) => Frames(20).Average(name =>
        {
            var (image, mask) = (Brightness(streets, "day", name), Mask(streets, "day", "test", name));
            var borders = from y in Enumerable.Range(0, 64)
                          from x in Enumerable.Range(0, 95 - shift)
                          where mask[y * 96 + x] != mask[y * 96 + x + 1]
                          select Math.Abs(image[y * 96 + x + shift] - image[y * 96 + x + 1 + shift]);
            return borders.Average();
        });
        var there = Edge(0);
        foreach (var shift in new[] { 2, 3, 4 })
            Assert.IsLessThan(0.7 * there, Edge(shift), $"shifted by {shift}");
    }

    private string Draw(string name, int seed, int train, int test)
    {
        var folder = Path.Combine(_folder, name);
        StreetScenes.Draw(folder, seed, train, test);
        return folder;
    }

    private static List<string> Frames(int count) => [.. Enumerable.Range(0, count).Select(i => $"{i:D4}.png")];

    private static byte[] Mask(string streets, string domain, string split, string name)
    {
        using var mask = SKBitmap.Decode(Path.Combine(streets, domain, split, "labels", name));
        return mask.Bytes;
    }

    private static double[] Brightness(string streets, string domain, string name)
    {
        using var image = SKBitmap.Decode(Path.Combine(streets, domain, "test", "images", name));
        return [.. image.Pixels.Select(pixel => (pixel.Red + pixel.Green + pixel.Blue) / 3.0)];
    }

    private static double[] Rows(double[] image, Range rows) => image[(rows.Start.Value * 96)..(rows.End.Value * 96)];

    private static double Deviation(double[] values)
    {
        var mean = values.Average();
        return Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
    }
}

using SkiaSharp;

namespace Hdrq.Samples.Tests.ImageClassificationMerge;

[TestClass]
public sealed class TrafficSignsTests
{
    /// <summary>Images of each class in a split of a domain.</summary>
    private const int Count = 12;

    private static TemporaryDirectory _folder = null!;

    private static string Drawn => _folder.Combine("signs");

    [ClassInitialize]
    public static void Draw(TestContext _)
    {
        _folder = new();
        TrafficSigns.Draw(Drawn, seed: 5, trainPerClass: Count, testPerClass: Count);
    }

    [ClassCleanup]
    public static void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void Names_are_as_documented()
    {
        CollectionAssert.AreEqual(new[] { "clear", "fog", "night", "rain" }, TrafficSigns.Domains.ToArray());
        CollectionAssert.AreEqual(
            new[]
            {
                "keep_right", "no_entry", "parking", "pedestrian_crossing", "priority_road",
                "roundabout", "speed_limit_50", "stop", "warning", "yield",
            },
            TrafficSigns.Classes.ToArray());
    }

    [TestMethod]
    public void Every_domain_split_and_class_has_its_images()
    {
        Assert.HasCount(4 * 2 * 10 * Count, Directory.GetFiles(Drawn, "*", SearchOption.AllDirectories));
        foreach (var domain in TrafficSigns.Domains)
        {
            foreach (var name in TrafficSigns.Classes)
            {
                foreach (var split in new[] { "train", "test" })
                {
                    var images = Directory.GetFiles(Path.Combine(Drawn, domain, split, name)).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);
                    CollectionAssert.AreEqual(Enumerable.Range(0, Count).Select(i => $"{i:D4}.png").ToArray(), images.ToArray());
                }
                using var image = SKBitmap.Decode(Path.Combine(Drawn, domain, "test", name, "0000.png"));
                Assert.AreEqual((32, 32), (image.Width, image.Height));
            }
        }
        Assert.HasCount(1, Directory.GetFileSystemEntries(_folder.Path));
    }

    [TestMethod]
    public void An_image_depends_on_the_seed_and_its_name_alone()
    {
        using var others = new TemporaryDirectory();
        TrafficSigns.Draw(others.Combine("same"), seed: 5, trainPerClass: 2, testPerClass: 1, "yield", "stop");
        TrafficSigns.Draw(others.Combine("other"), seed: 6, trainPerClass: 2, testPerClass: 1, "yield", "stop");
        var images = Directory.GetFiles(others.Combine("same"), "*", SearchOption.AllDirectories);
        Assert.HasCount(4 * 2 * 3, images);
        foreach (var image in images)
        {
            var name = Path.GetRelativePath(others.Combine("same"), image);
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(Drawn, name)), File.ReadAllBytes(image), name);
            CollectionAssert.AreNotEqual(File.ReadAllBytes(others.Combine("other", name)), File.ReadAllBytes(image), name);
        }
    }

    [TestMethod]
    public void A_folder_that_is_there_is_left_as_it_is_and_an_unfinished_one_is_not_taken_for_it()
    {
        using var parent = new TemporaryDirectory();
        var folder = parent.Combine("signs");
        // What a run leaves that was killed.
        Directory.CreateDirectory(folder + ".0123456789abcdef0123456789abcdef.tmp/clear/train/stop");
        TrafficSigns.Draw(folder, 1, 1, 1, "stop");
        var image = Path.Combine(folder, "rain", "test", "stop", "0000.png");
        Assert.IsTrue(File.Exists(image));

        File.WriteAllText(image, "mine");
        TrafficSigns.Draw(folder, 2, 3, 3);
        Assert.AreEqual("mine", File.ReadAllText(image));
        Assert.HasCount(8, Directory.GetFiles(folder, "*", SearchOption.AllDirectories));
    }

    [TestMethod]
    public void A_sign_that_is_not_known_is_refused_and_leaves_nothing()
    {
        using var parent = new TemporaryDirectory();
        var error = Assert.ThrowsExactly<ArgumentException>(() => TrafficSigns.Draw(parent.Combine("signs"), 1, 1, 1, "stop", "unicorn"));
        StringAssert.StartsWith(error.Message, "There is no sign 'unicorn'; there are keep_right, no_entry,");
        Assert.IsEmpty(Directory.GetFileSystemEntries(parent.Path));
    }

    [TestMethod]
    [DataRow("test", true)]
    [DataRow("train", false)]
    public void Domains_share_test_scenes_but_not_training_scenes(string split, bool isShared)
    {
        // Rain darkens and streaks a scene, but its bright and dark places stay where they are.
        var correlation = TrafficSigns.Classes.Average(name => Correlation(Read("clear", split, name, 0), Read("rain", split, name, 0)));
        if (isShared)
            Assert.IsGreaterThan(0.45, correlation);
        else
            Assert.IsLessThan(0.3, correlation);
    }

    [TestMethod]
    public void Weather_has_its_own_look()
    {
        var mean = TrafficSigns.Domains.ToDictionary(domain => domain, domain => Mean(domain, image => image.Average()));
        var contrast = TrafficSigns.Domains.ToDictionary(domain => domain, domain => Mean(domain, Deviation));
        Assert.IsGreaterThan(mean["clear"], mean["fog"]);
        Assert.IsLessThan(mean["clear"], mean["rain"]);
        Assert.IsLessThan(mean["rain"], mean["night"]);
        Assert.IsLessThan(0.6 * contrast["clear"], contrast["fog"]);
    }

    [TestMethod]
    public void Classes_differ_visibly()
    {
        // Surroundings and poses average out; what is left in the middle is the sign.
        var means = TrafficSigns.Classes.ToDictionary(name => name, name =>
        {
            var images = Enumerable.Range(0, 2 * Count).Select(i => Read("clear", i < Count ? "train" : "test", name, i % Count)).ToList();
            return Enumerable.Range(0, images[0].Length).Select(i => images.Average(image => image[i])).ToArray();
        });
        foreach (var (a, first) in means)
        {
            foreach (var (b, second) in means.Where(other => string.CompareOrdinal(a, other.Key) < 0))
                Assert.IsGreaterThan(6.0, first.Zip(second, (x, y) => Math.Abs(x - y)).Average(), $"{a} and {b}");
        }
    }

    private static double Mean(string domain, Func<double[], double> measure) =>
        TrafficSigns.Classes.Average(name => Enumerable.Range(0, Count).Average(i => measure(Read(domain, "test", name, i))));

    private static double[] Read(string domain, string split, string name, int index)
    {
        using var image = SKBitmap.Decode(Path.Combine(Drawn, domain, split, name, $"{index:D4}.png"));
        return [.. image.Pixels.SelectMany(pixel => new double[] { pixel.Red, pixel.Green, pixel.Blue })];
    }

    private static double Deviation(double[] pixels)
    {
        var mean = pixels.Average();
        return Math.Sqrt(pixels.Average(value => (value - mean) * (value - mean)));
    }

    private static double Correlation(double[] a, double[] b)
    {
        var (meanA, meanB) = (a.Average(), b.Average());
        return a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Average() / (Deviation(a) * Deviation(b));
    }
}

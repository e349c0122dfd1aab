using Hdrq.Samples.Data;
using Hdrq.Samples.Drawing;
using ImageClassificationMerge.Data;
using ImageClassificationMerge.TrafficSigns;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tests.Samples.ImageClassificationMerge;

[TestClass]
public sealed class SignDatasetTests
{
    private const int ClassCount = 10;

    [TestMethod]
    public void Names_are_as_documented()
    {
        CollectionAssert.AreEqual(new[] { "clear", "fog", "night", "rain" }, SignDataset.Domains.ToArray());
        CollectionAssert.AreEqual(
            new[]
            {
                "keep_right", "no_entry", "parking", "pedestrian_crossing", "priority_road",
                "roundabout", "speed_limit_50", "stop", "warning", "yield",
            },
            SignDataset.Classes.ToArray());
    }

    [TestMethod]
    public void Write_lays_out_every_domain_split_and_class()
    {
        using var folder = new TemporaryDirectory();
        var reported = new List<int>();
        var count = SignDataset.Write(folder.Path, 5, trainPerClass: 3, testPerClass: 2, new Recorder(reported));

        Assert.AreEqual(200, count);
        CollectionAssert.AreEqual(Enumerable.Range(1, 200).ToArray(), reported);
        Assert.HasCount(200, Directory.GetFiles(folder.Path, "*", SearchOption.AllDirectories));
        foreach (var domain in SignDataset.Domains)
        {
            foreach (var name in SignDataset.Classes)
            {
                CollectionAssert.AreEqual(new[] { "0000.png", "0001.png", "0002.png" }, FileNames(folder.Combine(domain, "train", name)));
                CollectionAssert.AreEqual(new[] { "0000.png", "0001.png" }, FileNames(folder.Combine(domain, "test", name)));
            }
        }

        var scanned = DomainFolder.Open(folder.Path);
        CollectionAssert.AreEqual(SignDataset.Domains.ToArray(), scanned.Domains.ToArray());
        CollectionAssert.AreEqual(SignDataset.Classes.ToArray(), scanned.Classes.ToArray());
    }

    [TestMethod]
    public void Files_hold_the_rendered_pixels()
    {
        using var folder = new TemporaryDirectory();
        SignDataset.Write(folder.Path, 5, trainPerClass: 1, testPerClass: 2);
        using var scenes = new SceneRenderer();
        var expected = SignDataset.Render(scenes, 5, "night", DataSplit.Test, classIndex: 7, index: 1);

        using var bitmap = SKBitmap.Decode(folder.Combine("night", "test", "stop", "0001.png"));
        Assert.AreEqual((32, 32), (bitmap.Width, bitmap.Height));
        var actual = bitmap.Pixels.SelectMany(pixel => new[] { pixel.Red, pixel.Green, pixel.Blue }).ToArray();
        CollectionAssert.AreEqual(expected, actual);
    }

    [TestMethod]
    public void Same_seed_writes_the_same_bytes_and_another_seed_others()
    {
        using var first = new TemporaryDirectory();
        using var second = new TemporaryDirectory();
        using var other = new TemporaryDirectory();
        SignDataset.Write(first.Path, 5, 1, 1);
        SignDataset.Write(second.Path, 5, 1, 1);
        SignDataset.Write(other.Path, 6, 1, 1);

        foreach (var path in Directory.GetFiles(first.Path, "*", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(first.Path, path);
            CollectionAssert.AreEqual(File.ReadAllBytes(path), File.ReadAllBytes(second.Combine(relative)), relative);
            CollectionAssert.AreNotEqual(File.ReadAllBytes(path), File.ReadAllBytes(other.Combine(relative)), relative);
        }
    }

    [TestMethod]
    public void An_image_does_not_depend_on_what_was_drawn_before()
    {
        using var fresh = new SceneRenderer();
        var alone = SignDataset.Render(fresh, 5, "rain", DataSplit.Train, 3, 4);

        using var used = new SceneRenderer();
        for (var index = 9; index >= 5; index--)
            SignDataset.Render(used, 5, "fog", DataSplit.Test, index, index);
        CollectionAssert.AreEqual(alone, SignDataset.Render(used, 5, "rain", DataSplit.Train, 3, 4));
    }

    [TestMethod]
    public void A_seeded_generator_gives_known_keys_known_seeds()
    {
        // Were keys hashed by string.GetHashCode, each process would draw others. FNV-1a of the key's
        // characters and the final mix, computed separately in Python, give these seeds.
        Assert.AreEqual(new Random(1_095_849_132).Next(), RandomExtensions.ForKey(0, "a").Next());
        Assert.AreEqual(new Random(1_341_011_823).Next(), RandomExtensions.ForKey(7, "weather/rain/test/stop/3").Next());
    }

    [TestMethod]
    public void Domains_share_test_scenes_but_not_training_scenes()
    {
        using var scenes = new SceneRenderer();
        foreach (var split in DataSplits.All)
        {
            // Rain darkens and streaks a scene, but its bright and dark places stay where they are.
            var correlations = Enumerable.Range(0, ClassCount).Select(sign => Correlation(
                SignDataset.Render(scenes, 5, "clear", split, sign, 0),
                SignDataset.Render(scenes, 5, "rain", split, sign, 0))).ToArray();
            if (split == DataSplit.Test)
                Assert.IsGreaterThan(0.45, correlations.Average());
            else
                Assert.IsLessThan(0.3, correlations.Average());
        }
    }

    [TestMethod]
    public void Classes_differ_visibly()
    {
        // Equal generators give equal surroundings and pose, so that only the sign differs.
        using var scenes = new SceneRenderer();
        for (var scene = 0; scene < 5; scene++)
        {
            var images = Enumerable.Range(0, ClassCount).Select(sign => ToDoubles(scenes.Render(sign, new Random(scene)).ToBytes())).ToArray();
            for (var a = 0; a < ClassCount; a++)
            {
                for (var b = a + 1; b < ClassCount; b++)
                    Assert.IsGreaterThan(3.0, MeanDifference(images[a], images[b]), $"{SignDataset.Classes[a]} and {SignDataset.Classes[b]}");
            }
        }
    }

    [TestMethod]
    public void Domains_differ_visibly_for_every_class()
    {
        using var scenes = new SceneRenderer();
        for (var sign = 0; sign < ClassCount; sign++)
        {
            var images = SignDataset.Domains.Select(domain => SignDataset.Render(scenes, 5, domain, DataSplit.Test, sign, 0)).ToArray();
            for (var a = 0; a < images.Length; a++)
            {
                for (var b = a + 1; b < images.Length; b++)
                {
                    var difference = MeanDifference(ToDoubles(images[a]), ToDoubles(images[b]));
                    Assert.IsGreaterThan(12.0, difference, $"{SignDataset.Classes[sign]}: {SignDataset.Domains[a]} and {SignDataset.Domains[b]}");
                }
            }
        }
    }

    [TestMethod]
    public void Weather_has_its_own_look()
    {
        using var scenes = new SceneRenderer();
        var mean = SignDataset.Domains.ToDictionary(
            domain => domain, domain => Enumerable.Range(0, ClassCount).Average(sign => MeanImage(scenes, domain, sign).Average()));
        var contrast = SignDataset.Domains.ToDictionary(
            domain => domain, domain => Enumerable.Range(0, ClassCount).Average(sign => Deviation(SignDataset.Render(scenes, 5, domain, DataSplit.Test, sign, 0))));

        Assert.IsGreaterThan(mean["clear"], mean["fog"]);
        Assert.IsLessThan(mean["clear"], mean["rain"]);
        Assert.IsLessThan(mean["rain"], mean["night"]);
        Assert.IsLessThan(0.6 * contrast["clear"], contrast["fog"]);
    }

    [TestMethod]
    public void A_cancelled_write_leaves_nothing()
    {
        using var parent = new TemporaryDirectory();
        Directory.CreateDirectory(parent.Path);
        using var source = new CancellationTokenSource();
        var progress = new Recorder([], count =>
        {
            if (count == 7)
                source.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => SignDataset.Write(parent.Combine("signs"), 5, 2, 2, progress, source.Token));
        Assert.IsEmpty(Directory.GetFileSystemEntries(parent.Path));
    }

    [TestMethod]
    public void Write_refuses_a_folder_that_holds_files()
    {
        using var folder = new TemporaryDirectory();
        Directory.CreateDirectory(folder.Path);
        File.WriteAllText(folder.Combine("notes.txt"), "mine");
        var error = Assert.ThrowsExactly<IOException>(() => SignDataset.Write(folder.Path, 5, 1, 1));
        Assert.Contains(folder.Path, error.Message);
        CollectionAssert.AreEqual(new[] { "notes.txt" }, FileNames(folder.Path));
    }

    private static string[] FileNames(string folder) =>
        [.. Directory.GetFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static double[] ToDoubles(byte[] pixels) => Array.ConvertAll(pixels, value => (double)value);

    private static double[] MeanImage(SceneRenderer scenes, string domain, int sign)
    {
        const int count = 40;
        var sum = new double[32 * 32 * 3];
        for (var index = 0; index < count; index++)
        {
            var pixels = SignDataset.Render(scenes, 5, domain, DataSplit.Train, sign, index);
            for (var i = 0; i < sum.Length; i++)
                sum[i] += pixels[i] / (double)count;
        }
        return sum;
    }

    private static double MeanDifference(double[] a, double[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Average();

    private static double Deviation(byte[] pixels)
    {
        var mean = pixels.Average(value => (double)value);
        return Math.Sqrt(pixels.Average(value => (value - mean) * (value - mean)));
    }

    private static double Correlation(byte[] a, byte[] b)
    {
        var (meanA, meanB) = (a.Average(value => (double)value), b.Average(value => (double)value));
        return a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Average() / (Deviation(a) * Deviation(b));
    }

    private sealed class Recorder(List<int> values, Action<int>? then = null) : IProgress<int>
    {
        public void Report(int value)
        {
            values.Add(value);
            then?.Invoke(value);
        }
    }
}

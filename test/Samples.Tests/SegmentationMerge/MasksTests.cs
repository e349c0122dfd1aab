using System.Globalization;
using Hdrq.Samples.Lessons;
using SkiaSharp;

namespace Hdrq.Samples.Tests.SegmentationMerge;

[TestClass]
public sealed class MasksTests
{
    [TestMethod]
    public void The_lesson_measures_each_class_and_saves_pictures()
    {
        var folder = Directory.CreateTempSubdirectory("hdrq-").FullName;
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        var console = Console.Out;
        Console.SetOut(text);
        try
        {
            Masks.Run(folder);
        }
        finally
        {
            Console.SetOut(console);
        }
        try
        {
            var scores = text.ToString().Split('\n').TakeWhile(line => !line.Contains("pixels", StringComparison.Ordinal))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                .ToDictionary(line => line[0], line => double.Parse(line[1], CultureInfo.InvariantCulture));
            CollectionAssert.AreEqual(new[] { "sky", "ground", "building", "tree", "mean" }, scores.Keys.ToArray());
            Assert.AreEqual(scores.Where(score => score.Key != "mean").Average(score => score.Value), scores["mean"], 0.1);
            // What a few seconds of training are enough for.
            Assert.IsGreaterThan(70, scores["sky"]);
            Assert.IsGreaterThan(70, scores["ground"]);

            // All pixels count but those of cars, whose value in the files is 5.
            var streets = Path.Combine(folder, "streets", "day", "test");
            var masks = Directory.GetFiles(Path.Combine(streets, "labels")).Order(StringComparer.Ordinal).Select(Bytes)
                .ToList();
            var counted = masks.Sum(mask => mask.Count(value => value != 5));
            StringAssert.Contains(text.ToString(), $"of {counted:N0} pixels that have a class", StringComparison.Ordinal);

            // The truth has the image's own colours where there are cars, and no others elsewhere but by chance.
            using var image = SKBitmap.Decode(Path.Combine(streets, "images", "0000.png"));
            using var painted = SKBitmap.Decode(Path.Combine(folder, "Truth0.png"));
            var same = image.Pixels.Zip(painted.Pixels, (before, after) => before == after).ToList();
            Assert.IsTrue(masks[0].Zip(same).All(pixel => pixel.First != 5 || pixel.Second));
            Assert.IsLessThan(0.02, masks[0].Zip(same).Where(pixel => pixel.First != 5)
                .Average(pixel => pixel.Second ? 1.0 : 0));
            Assert.HasCount(6, Directory.GetFiles(folder, "Prediction*.png"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static byte[] Bytes(string path)
    {
        using var mask = SKBitmap.Decode(path);
        return mask.Bytes;
    }
}

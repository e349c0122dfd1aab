using Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

namespace Microsoft.ML.Hdrq.Tool.Tests;

/// <summary>Small drawn images of several domains: a class is the colour and the place of a square, a domain a brightness.</summary>
internal static class TestImages
{
    /// <summary>Writes images with one class each: <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;class&gt;/&lt;number&gt;.png</c>.</summary>
    public static void WriteClasses(string folder, string[] domains, string[] classes, int size = 16, int train = 2, int test = 2) =>
        Write(folder, domains, train, test, (split, domain, number) =>
        {
            for (var index = 0; index < classes.Length; index++)
            {
                var (image, _) = Draw(new Random(HashCode(split, domain, number, index)), Brightness(domain, domains.Length), index, classes.Length, size, size);
                Save(Path.Combine(folder, domains[domain], split, classes[index], $"{number}.png"), Png.EncodeRgb(image, size, size));
            }
        });

    /// <summary>Writes images and masks: <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;images|labels&gt;/&lt;number&gt;.png</c>, and the names of the classes.</summary>
    public static void WriteMasks(string folder, string[] domains, string[] classes, int width = 32, int height = 32, int train = 2, int test = 2)
    {
        Write(folder, domains, train, test, (split, domain, number) =>
        {
            var (image, mask) = Draw(new Random(HashCode(split, domain, number, 0)), Brightness(domain, domains.Length), 1 + number % (classes.Length - 1), classes.Length, width, height);
            Save(Path.Combine(folder, domains[domain], split, "images", $"{number}.png"), Png.EncodeRgb(image, width, height));
            Save(Path.Combine(folder, domains[domain], split, "labels", $"{number}.png"), Png.EncodeGrey(mask, width, height));
        });
        File.WriteAllLines(Path.Combine(folder, "classes.txt"), classes);
    }

    private static void Write(string folder, string[] domains, int train, int test, Action<string, int, int> write)
    {
        Directory.CreateDirectory(folder);
        foreach (var (split, count) in new[] { ("train", train), ("test", test) })
        {
            for (var domain = 0; domain < domains.Length; domain++)
            {
                for (var number = 0; number < count; number++)
                    write(split, domain, number);
            }
        }
    }

    private static void Save(string path, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
    }

    // HashCode of the system differs from process to process.
    private static int HashCode(string split, int domain, int number, int index) => (split.Length * 31 + domain) * 1009 + number * 101 + index;

    private static double Brightness(int domain, int domains) => 1 - 0.7 * domain / domains;

    /// <summary>A square of one class on a noisy ground of class 0.</summary>
    private static (byte[] Image, byte[] Mask) Draw(Random random, double brightness, int index, int classes, int width, int height)
    {
        var (image, mask) = (new byte[3 * width * height], new byte[width * height]);
        var side = Math.Min(width, height) / 2;
        var (left, top) = (index * (width - side) / classes, (classes - 1 - index) * (height - side) / classes);
        for (var pixel = 0; pixel < mask.Length; pixel++)
        {
            var isInside = pixel % width >= left && pixel % width < left + side && pixel / width >= top && pixel / width < top + side;
            mask[pixel] = (byte)(isInside ? index : 0);
            for (var channel = 0; channel < 3; channel++)
                image[3 * pixel + channel] = (byte)(brightness * (random.Next(60) + (isInside ? 60 + 130 * (index + 1 >> channel & 1) : 90)));
        }
        return (image, mask);
    }
}

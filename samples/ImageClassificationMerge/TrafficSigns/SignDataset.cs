using System.Globalization;
using Hdrq.Samples.Data;
using Hdrq.Samples.Drawing;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>
/// A generated data set: ten traffic signs, 32x32 RGB, in clear weather, fog, night and rain.
/// </summary>
/// <remarks>
/// An image depends only on seed, domain, split, class and index, not on what else is drawn. Every domain shows the same test scenes and has training scenes of its own.
/// Equal seeds give equal files on one machine; another processor or graphics library may round an edge differently.
/// </remarks>
internal static class SignDataset
{
    /// <summary>Domain names, the source domain <c>clear</c> first.</summary>
    public static IReadOnlyList<string> Domains => Weather.Domains;

    /// <summary>Class names in ordinal order; a class's place is its label.</summary>
    public static IReadOnlyList<string> Classes { get; } = [.. SignCatalog.Designs.Select(design => design.Name)];

    /// <summary>Writes the data set as <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;class&gt;/&lt;index&gt;.png</c>.</summary>
    /// <param name="folder">The folder to create; it appears when all is written, so a cancelled call leaves none.</param>
    /// <param name="seed">The seed; any value.</param>
    /// <param name="trainPerClass">Training images per class and domain, at least 1.</param>
    /// <param name="testPerClass">Test images per class and domain, at least 1.</param>
    /// <param name="progress">Told how many images are written so far.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    /// <returns>The number of images.</returns>
    /// <exception cref="IOException">The folder exists and is not empty.</exception>
    public static int Write(
        string folder, int seed, int trainPerClass, int testPerClass, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(trainPerClass, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(testPerClass, 1);
        var written = 0;
        using var scenes = new SceneRenderer();
        NewFolder.Write(folder, unfinished =>
        {
            foreach (var domain in Domains)
            {
                foreach (var split in DataSplits.All)
                {
                    var count = split == DataSplit.Train ? trainPerClass : testPerClass;
                    for (var classIndex = 0; classIndex < Classes.Count; classIndex++)
                    {
                        var classFolder = Path.Combine(unfinished, domain, split.FolderName(), Classes[classIndex]);
                        Directory.CreateDirectory(classFolder);
                        for (var index = 0; index < count; index++)
                        {
                            cancellationToken.ThrowIfCancellationRequested();
                            var pixels = Render(scenes, seed, domain, split, classIndex, index);
                            var name = index.ToString("D4", CultureInfo.InvariantCulture) + ".png";
                            File.WriteAllBytes(Path.Combine(classFolder, name), Png.EncodeRgb(pixels, SceneRenderer.Size, SceneRenderer.Size));
                            written++;
                            progress?.Report(written);
                        }
                    }
                }
            }
        });
        return written;
    }

    /// <summary>Draws one image.</summary>
    /// <param name="scenes">The renderer; it keeps nothing from one image to the next.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="split">The split.</param>
    /// <param name="classIndex">An index into <see cref="Classes"/>.</param>
    /// <param name="index">The image's number within its class, from 0.</param>
    /// <returns>32 x 32 x 3 bytes: row, column, channel (red, green, blue).</returns>
    public static byte[] Render(SceneRenderer scenes, int seed, string domain, DataSplit split, int classIndex, int index)
    {
        var place = string.Create(CultureInfo.InvariantCulture, $"{split.FolderName()}/{Classes[classIndex]}/{index}");
        var scene = split == DataSplit.Test ? $"scene/{place}" : $"scene/{domain}/{place}";
        var image = scenes.Render(classIndex, RandomExtensions.ForKey(seed, scene));
        Weather.Apply(image, domain, RandomExtensions.ForKey(seed, $"weather/{domain}/{place}"));
        return image.ToBytes();
    }
}

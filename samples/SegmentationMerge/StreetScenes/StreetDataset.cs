using System.Globalization;
using Hdrq.Samples.Data;
using Hdrq.Samples.Drawing;
using SegmentationMerge.Data;

namespace SegmentationMerge.StreetScenes;

/// <summary>A generated data set: streets by day, at dusk, in fog and at night, 96x64 RGB, with exact masks.</summary>
/// <remarks>
/// A frame depends only on seed, domain, split and index, not on what else is drawn. Every domain shows the same test scenes and has training scenes of its own.
/// Equal seeds give equal files on one machine; another processor or graphics library may round an edge differently.
/// </remarks>
internal static class StreetDataset
{
    /// <summary>Domain names, the source domain <c>day</c> first.</summary>
    public static IReadOnlyList<string> Domains => Daytime.Domains;

    /// <summary>Class names in the order of their numbers.</summary>
    public static IReadOnlyList<string> Classes { get; } = [.. Enum.GetNames<StreetClass>().Select(name => name.ToLowerInvariant())];

    /// <summary>Writes the data set as <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;images|labels&gt;/&lt;index&gt;.png</c>, with <c>classes.txt</c>.</summary>
    /// <param name="folder">The folder to create; it appears when all is written, so a cancelled call leaves none.</param>
    /// <param name="seed">The seed; any value.</param>
    /// <param name="train">Training images for each domain, at least 1.</param>
    /// <param name="test">Test images for each domain, at least 1.</param>
    /// <param name="progress">Told how many images are written so far.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    /// <returns>The number of images.</returns>
    /// <exception cref="IOException">The folder exists and is not empty.</exception>
    public static int Write(string folder, int seed, int train, int test, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(train, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(test, 1);
        var written = 0;
        using var renderer = new StreetRenderer();
        NewFolder.Write(folder, unfinished =>
        {
            FrameFolder.WriteClasses(unfinished, Classes);
            foreach (var (domain, split) in Domains.SelectMany(domain => DataSplits.All.Select(split => (domain, split))))
            {
                var splitFolder = Path.Combine(unfinished, domain, split.FolderName());
                var (images, labels) = (Directory.CreateDirectory(Path.Combine(splitFolder, "images")).FullName, Directory.CreateDirectory(Path.Combine(splitFolder, "labels")).FullName);
                for (var index = 0; index < (split == DataSplit.Train ? train : test); index++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    var frame = Render(renderer, seed, domain, split, index);
                    var name = index.ToString("D4", CultureInfo.InvariantCulture) + ".png";
                    File.WriteAllBytes(Path.Combine(images, name), Png.EncodeRgb(frame.Image.ToBytes(), StreetRenderer.Width, StreetRenderer.Height));
                    File.WriteAllBytes(Path.Combine(labels, name), Png.EncodeGrey(frame.Classes, StreetRenderer.Width, StreetRenderer.Height));
                    written++;
                    progress?.Report(written);
                }
            }
        });
        return written;
    }

    /// <summary>Draws one frame.</summary>
    /// <param name="renderer">The renderer; it keeps nothing from one frame to the next.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="split">The split.</param>
    /// <param name="index">The frame's number, from 0.</param>
    public static SceneFrame Render(StreetRenderer renderer, int seed, string domain, DataSplit split, int index)
    {
        var place = string.Create(CultureInfo.InvariantCulture, $"{split.FolderName()}/{index}");
        using var scene = StreetBuilder.Build(RandomExtensions.ForKey(seed, split == DataSplit.Test ? $"street/{place}" : $"street/{domain}/{place}"));
        var frame = renderer.Render(scene);
        Daytime.Apply(frame, domain, RandomExtensions.ForKey(seed, $"daytime/{domain}/{place}"));
        return frame;
    }
}

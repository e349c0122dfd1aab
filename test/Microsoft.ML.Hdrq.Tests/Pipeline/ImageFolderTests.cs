using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

[TestClass]
public sealed class ImageFolderTests
{
    [TestMethod]
    public void FilesAreLoadedResizedAndScored()
    {
        using var folder = new TemporaryDirectory();
        var random = new Random(3);
        var files = Enumerable.Range(0, 5)
            .Select(number => new FileRow { Path = folder.Combine($"{number}.png"), Number = number }).ToArray();
        foreach (var file in files)
        {
            var pixels = new byte[4 * TestNetworks.Size * TestNetworks.Size];
            random.NextBytes(pixels);
            for (var i = 3; i < pixels.Length; i += 4)
                pixels[i] = 255;
            file.Bytes = pixels;
            using var image = MLImage.CreateFromPixels(TestNetworks.Size, TestNetworks.Size, MLPixelFormat.Rgba32, pixels);
            image.Save(file.Path);
        }

        var ml = new MLContext(1);
        using var network = TestNetworks.Classifier();
        var data = ml.Data.LoadFromEnumerable(files);
        using var model = ml.Transforms.LoadImages("Image", null, "Path")
            .Append(ml.Transforms.ResizeImages("Image", TestNetworks.Size, TestNetworks.Size))
            .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(ml.Transforms.ApplyNetwork(
                "Score", "Pixels", network, new() { BatchSize = 2, Normalization = ChannelNormalization.ImageNet() }))
                .Fit(data);

        // Planes of red, green and blue from the bytes that were written.
        float[] mean = [0.485f, 0.456f, 0.406f];
        float[] deviation = [0.229f, 0.224f, 0.225f];
        const int plane = TestNetworks.Size * TestNetworks.Size;
        var expected = OnnxRuntimeScores.Of(
            network, files.Select(file =>
                Enumerable.Range(0, 3 * plane)
                .Select(i => (file.Bytes[4 * (i % plane) + i / plane] / 255f - mean[i / plane]) / deviation[i / plane])
                .ToArray()));
        var scored = model.Transform(data);
        Images.AssertClose(expected, Images.Scores(scored), 1e-4f);

        // Images and scores of the same rows, as a viewer of mistakes would ask for them.
        using var cursor = scored.GetRowCursor([scored.Schema["Image"], scored.Schema["Score"], scored.Schema["Number"]]);
        var (picture, score) = (cursor.GetGetter<MLImage>(scored.Schema["Image"]),
            cursor.GetGetter<VBuffer<float>>(scored.Schema["Score"]));
        MLImage? kept = null;
        VBuffer<float> scores = default;
        for (var row = 0; cursor.MoveNext(); row++)
        {
            score(ref scores);
            Images.AssertClose([expected[row]], [[.. scores.DenseValues()]], 1e-4f);
            picture(ref kept!);
            Assert.AreEqual(TestNetworks.Size, kept.Width);
            Assert.AreEqual(files[row].Bytes[kept.PixelFormat == MLPixelFormat.Bgra32 ? 2 : 0], kept.Pixels[0]);
        }
        kept!.Dispose();
    }

    private sealed class FileRow
    {
        public string Path { get; set; } = "";

        public int Number { get; set; }

        [NoColumn]
        public byte[] Bytes { get; set; } = [];
    }
}

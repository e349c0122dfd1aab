using Microsoft.ML.Hdrq.Tool.Data;
using SkiaSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Data;

[TestClass]
public sealed class PixelPipelineTests
{
    /// <summary>
    /// Decoders fill up what is missing of an image, so that a network learns from it. What stands behind a whole image
    /// is no fault: cameras write there.
    /// </summary>
    [TestMethod]
    [DataRow(SKEncodedImageFormat.Png, "png")]
    [DataRow(SKEncodedImageFormat.Jpeg, "jpg")]
    [DataRow(SKEncodedImageFormat.Webp, "png")]
    public void An_image_that_is_cut_off_is_refused_and_one_with_more_behind_it_is_not(
        SKEncodedImageFormat format, string extension)
    {
        using var folder = new TemporaryDirectory();
        using var bitmap = new SKBitmap(40, 30);
        var random = new Random(1);
        bitmap.Pixels = [.. bitmap.Pixels.Select(_ => new SKColor((uint)random.Next() | 0xFF000000))];
        using var data = bitmap.Encode(format, quality: 90);
        var bytes = data.ToArray();
        var (whole, longer, cut) = (Path("whole"), Path("longer"), Path("cut"));
        File.WriteAllBytes(whole, bytes);
        File.WriteAllBytes(longer, [.. bytes, .. "more"u8]);
        File.WriteAllBytes(cut, bytes[..(bytes.Length / 2)]);

        PixelPipeline.CheckImages([whole, longer]);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => PixelPipeline.CheckImages([whole, cut, longer]));
        StringAssert.StartsWith(error.Message, $"'{cut}' is ");

        string Path(string name) => folder.Combine($"{name}.{extension}");
    }
}

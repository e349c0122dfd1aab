using System.Buffers.Binary;

namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>The part of a report that shows test images and what merged networks say of them.</summary>
internal static class PredictionSection
{
    /// <summary>Pictures below this width are enlarged pixel by pixel.</summary>
    private const int TinyWidth = 65;

    public static Html Create(RunReport run)
    {
        if (run.Predictions.Count == 0)
            return Html.Empty;
        var domains = run.Predictions[0].Predictions.GroupBy(image => image.Domain);
        var (key, isText) = (run.PictureKey, run.PictureKey.Count == 0);
        return Html.Of($"""
            <h2>Test images</h2>
            <p>The predictions of the merged networks.{(isText ? " Right ones are green." : "")}</p>
            {(isText ? Html.Empty : HtmlReport.Legend(key))}
            {domains.Select(domain => Domain(run, domain.Key, [.. domain]))}
            """);
    }

    private static Html Domain(RunReport run, string name, IReadOnlyList<SamplePrediction> images)
    {
        var kind = IsTiny(images[0].Picture) ? "images tiny" : "images";
        return Html.Of($"""
            <h3>{name}</h3>
            <div class="{kind}">{images.Select(image => Image(run, image))}</div>
            """);
    }

    private static Html Image(RunReport run, SamplePrediction image)
    {
        var answers = run.Predictions.Select(entry => Answer(entry.Method, entry.Predictions
            .FirstOrDefault(other => (other.Domain, other.Name) == (image.Domain, image.Name))));
        var truth = image.TruePicture is { } picture
            ? Html.Of($"{Picture(picture, "truth")}<p class=\"soft\">truth</p>") : Html.Empty;
        return Html.Of($"""
            <div>{Picture(image.Picture, image.Truth)}<p class="soft">{image.Truth}</p>
            {truth}
            {answers}</div>
            """);
    }

    private static Html Answer(string method, SamplePrediction? prediction)
    {
        if (prediction is null)
            return Html.Empty;
        if (prediction.PredictedPicture is { } picture)
            return Html.Of($"{Picture(picture, method)}<p>{method}: {prediction.Predicted}</p>");
        var kind = prediction.Predicted == prediction.Truth ? "good" : "bad";
        return Html.Of($"<p class=\"{kind}\">{method}: {prediction.Predicted}</p>");
    }

    private static Html Picture(byte[] png, string description) => Html.Of(
        $"<img src=\"data:image/png;base64,{Convert.ToBase64String(png)}\" alt=\"{description}\" loading=\"lazy\">");

    /// <summary>The width of a PNG stands in its first chunk.</summary>
    private static bool IsTiny(byte[] picture) =>
        picture.Length > 24 && BinaryPrimitives.ReadInt32BigEndian(picture.AsSpan(16)) < TinyWidth;
}

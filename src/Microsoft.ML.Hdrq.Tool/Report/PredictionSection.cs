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
        return Html.Of($"""
            <h2>Test images</h2>
            <p>The predictions of the merged networks.{(run.PictureKey.Count == 0 ? " Right ones are green." : "")}</p>
            {(run.PictureKey.Count == 0 ? Html.Empty : HtmlReport.Legend(run.PictureKey))}
            {run.Predictions[0].Predictions.GroupBy(image => image.Domain).Select(domain => Html.Of($"""
                <h3>{domain.Key}</h3>
                <div class="images {(IsTiny(domain.First().Picture) ? "tiny" : "")}">{domain.Select(image => Image(run, image))}</div>
                """))}
            """);
    }

    private static Html Image(RunReport run, SamplePrediction image)
    {
        var answers = run.Predictions.Select(entry =>
            entry.Predictions.FirstOrDefault(other => (other.Domain, other.Name) == (image.Domain, image.Name)) is { } prediction
                ? Answer(entry.Method, prediction) : Html.Empty);
        return Html.Of($"""
            <div>{Picture(image.Picture, image.Truth)}<p class="soft">{image.Truth}</p>
            {(image.TruePicture is { } truth ? Html.Of($"{Picture(truth, "truth")}<p class=\"soft\">truth</p>") : Html.Empty)}
            {answers}</div>
            """);
    }

    private static Html Answer(string method, SamplePrediction prediction) => prediction.PredictedPicture is { } picture
        ? Html.Of($"{Picture(picture, method)}<p>{method}: {prediction.Predicted}</p>")
        : Html.Of($"<p class=\"{(prediction.Predicted == prediction.Truth ? "good" : "bad")}\">{method}: {prediction.Predicted}</p>");

    private static Html Picture(byte[] png, string description) => Html.Of(
        $"<img src=\"data:image/png;base64,{Convert.ToBase64String(png)}\" alt=\"{description}\" loading=\"lazy\">");

    /// <summary>The width of a PNG stands in its first chunk.</summary>
    private static bool IsTiny(byte[] picture) =>
        picture.Length > 24 && BinaryPrimitives.ReadInt32BigEndian(picture.AsSpan(16)) < TinyWidth;
}

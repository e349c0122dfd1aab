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
        var images = run.Predictions[0].Predictions;
        return Html.Of($"""
            <h2>Test images</h2>
            <p>What the merged networks say.{(run.PictureKey.Count == 0 ? " Right answers are green." : "")}</p>
            {(run.PictureKey.Count == 0 ? Html.Empty : HtmlReport.Legend(run.PictureKey))}
            {images.GroupBy(image => image.Domain).Select(domain => Html.Of($"""
                <h3>{domain.Key}</h3>
                <div class="images {(IsTiny(domain.First().Picture) ? "tiny" : "")}">{domain.Select(image => Image(run, image))}</div>
                """))}
            """);
    }

    private static Html Image(RunReport run, SamplePrediction image) => Html.Of($"""
        <div><img src="{Data(image.Picture)}" alt="{image.Truth}" loading="lazy"><p class="soft">{image.Truth}</p>{(image.TruePicture is { } truth ? Html.Of($"<img src=\"{Data(truth)}\" alt=\"truth\" loading=\"lazy\"><p class=\"soft\">truth</p>") : Html.Empty)}
        {run.Predictions.Select(entry => entry.Predictions.FirstOrDefault(other => (other.Domain, other.Name) == (image.Domain, image.Name)) is { } prediction ? Answer(entry.Method, prediction) : Html.Empty)}</div>
        """);

    private static Html Answer(string method, SamplePrediction prediction) => prediction.PredictedPicture is { } picture
        ? Html.Of($"<img src=\"{Data(picture)}\" alt=\"{method}\" loading=\"lazy\"><p>{method}: {prediction.Predicted}</p>")
        : Html.Of($"<p class='{(prediction.Predicted == prediction.Truth ? "good" : "bad")}'>{method}: {prediction.Predicted}</p>");

    private static string Data(byte[] picture) => $"data:image/png;base64,{Convert.ToBase64String(picture)}";

    /// <summary>The width of a PNG stands in its first chunk.</summary>
    private static bool IsTiny(byte[] picture) => picture.Length > 24 && System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(picture.AsSpan(16)) < TinyWidth;
}

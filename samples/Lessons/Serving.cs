using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// A web service that classifies posted images with a merged model. It needs ML.NET and ONNX Runtime; neither the
/// library that made the model nor Torch is loaded.
/// </summary>
internal static class Serving
{
    public static void Run(string folder)
    {
        var modelFile = Path.Combine(folder, "merged.zip");
        if (!File.Exists(modelFile))
            SitesAndCentre.Run(folder);

        using var app = Service(modelFile);
        app.Start();
        var address = app.Urls.First();
        Console.WriteLine($"Serving at {address}/predict");

        // A client, as an application would be one.
        var signs = Path.Combine(folder, "few-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 40, testPerClass: 20, SitesAndCentre.Classes);
        using var client = new HttpClient { BaseAddress = new Uri(address) };
        Parallel.ForEach(new[] { "no_entry", "parking", "yield" }, name =>
        {
            using var image = File.OpenRead(Path.Combine(signs, "fog", "test", name, "0000.png"));
            using var request = new HttpRequestMessage(HttpMethod.Post, "/predict");
            request.Content = new StreamContent(image);
            using var response = client.Send(request);
            using var answer = new StreamReader(response.Content.ReadAsStream());
            Console.WriteLine($"{name}: {(int)response.StatusCode} {answer.ReadToEnd()}");
        });
        app.StopAsync().Wait();
    }

    private static WebApplication Service(string modelFile)
    {
        var ml = new MLContext();
        // The model's first step reads files; a service has bytes, so it starts with the second.
        var steps = (IEnumerable<ITransformer>)ml.Model.Load(modelFile, out _);
        var model = new TransformerChain<ITransformer>([.. steps.Where(step => step is not ImageLoadingTransformer)]);
        // An engine serves one request at a time, and all of them share the model.
        var engines = new DefaultObjectPool<PredictionEngine<Picture, Answer>>(new Engines(ml, model));

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapPost("/predict", async (HttpRequest request) =>
        {
            using var bytes = new MemoryStream();
            await request.Body.CopyToAsync(bytes);
            bytes.Position = 0;
            using var image = MLImage.CreateFromStream(bytes);
            var engine = engines.Get();
            try
            {
                var answer = engine.Predict(new Picture { Image = image });
                return Results.Ok(new { answer.Prediction, Score = answer.Score.Max() });
            }
            finally
            {
                engines.Return(engine);
            }
        });
        return app;
    }

    private sealed class Engines(MLContext ml, ITransformer model)
        : PooledObjectPolicy<PredictionEngine<Picture, Answer>>
    {
        public override PredictionEngine<Picture, Answer> Create() =>
            ml.Model.CreatePredictionEngine<Picture, Answer>(
                model, new PredictionEngineOptions { OwnsTransformer = false });

        public override bool Return(PredictionEngine<Picture, Answer> engine) => true;
    }

    private sealed class Picture
    {
        // Posted images may have any size: the model's first step here resizes them.
        [ImageType(32, 32)]
        public MLImage? Image { get; set; }
    }

    private sealed class Answer
    {
        public string Prediction { get; set; } = "";

        public float[] Score { get; set; } = [];
    }
}

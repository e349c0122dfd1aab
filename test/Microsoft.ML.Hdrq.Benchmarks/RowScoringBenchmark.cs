using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// What a pipeline adds to an ONNX Runtime session: rows in batches, single images through a prediction engine, and the
/// stages from image files on.
/// </summary>
internal static class RowScoringBenchmark
{
    private const string Name = "rows";
    private const string Input = "input";
    private const int Rows = 512;
    private const int Files = 32;

    /// <summary>Single images that are scored: enough that a percentile is not the slowest of all.</summary>
    private const int Calls = 600;

    /// <summary>Measures, on all cores.</summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="repetitions">Turns of batches and files, at least 1.</param>
    public static void Run(SpeedTable table, int repetitions)
    {
        using (var small = ResNet.Cifar(56, 10, seed: 1))
            Batches(table, small, repetitions);
        using var large = ResNet.ImageNet(50, 1000, seed: 1);
        using (var small = ResNet.Cifar(20, 10, seed: 1))
            Single(table, "ResNet-20 at 32 x 32", small, 32);
        Single(table, "ResNet-50 at 224 x 224", large, 224);
        using (var quantized = RoundedNetwork.Of(large, 8, 8, 224))
            Single(table, "ResNet-50 at 224 x 224, W8A8", quantized, 224);
        Stages(table, large, repetitions);
    }

    /// <summary>
    /// 512 rows, in memory, through ML.NET's own transformer and ours, and the session in the same batches.
    /// </summary>
    private static void Batches(SpeedTable table, Network network, int repetitions)
    {
        var ml = new MLContext(1);
        var rows = Images(Rows, 32);
        var data = ml.Data.LoadFromEnumerable(rows, Schema(32));
        var path = Path.GetTempFileName();
        try
        {
            network.SaveOnnx(path);
            var output = network.Graph.Outputs[0].Name;
            using var byRow = ml.Transforms.ApplyOnnxModel(output, Input, path).Fit(data);
            using var batches32 = ml.Transforms.ApplyNetwork(output, Input, network, new() { BatchSize = 32 }).Fit(data);
            using var batches128 = ml.Transforms.ApplyNetwork(output, Input, network, new() { BatchSize = 128 }).Fit(data);
            using var session = SavedNetwork.Onnx(network, Environment.ProcessorCount);
            var pixels = rows.Chunk(32).Select(chunk => chunk.SelectMany(row => row.Pixels).ToArray()).ToList();
            Report(table, "ResNet-56, 512 images of 32 x 32",
            [
                ("ApplyOnnxModel, row by row", () => Read(byRow)),
                ("ApplyNetwork, batches of 32", () => Read(batches32)),
                ("ApplyNetwork, batches of 128", () => Read(batches128)),
                ("a session of ONNX Runtime, batches of 32",
                    () => pixels.ForEach(batch => session.Score(batch, [32, 3, 32, 32]))),
            ], repetitions);

            void Read(ITransformer transformer) => Last(transformer.Transform(data), output);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Single images: a prediction engine against the session that it uses.</summary>
    private static void Single(SpeedTable table, string where, Network network, int size)
    {
        var ml = new MLContext(1);
        var rows = Images(1, size);
        var schema = Schema(size);
        var data = ml.Data.LoadFromEnumerable(rows, schema);
        using var model = ml.Transforms.ApplyNetwork(
            "Score", Input, network, new() { Threads = Environment.ProcessorCount }).Fit(data);
        using var engine = ml.Model.CreatePredictionEngine<Row, Scores>(
            model, ignoreMissingColumns: false, inputSchemaDefinition: schema);
        using var session = SavedNetwork.Onnx(network, Environment.ProcessorCount);
        var answer = new Scores();
        var times = Turns.All(
            [() => session.Score(rows[0].Pixels, [1, 3, size, size]), () => engine.Predict(rows[0], ref answer)],
            Calls / 10, Calls);
        foreach (var (share, name) in new[] { (0.5, "median"), (0.99, "99th percentile") })
        {
            var values = times.Select(time => Turns.Quantile(time, share)).ToArray();
            table.Add(Name, $"{where}, one image", $"session, {name}", values[0], "ms");
            table.Add(Name, $"{where}, one image", $"PredictionEngine, {name}", values[1], "ms", values[1] / values[0],
                "of the session's time");
        }
    }

    /// <summary>Image files through pipelines that end after each stage.</summary>
    private static void Stages(SpeedTable table, Network network, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("hdrq-");
        try
        {
            var random = new Random(1);
            var files = Enumerable.Range(0, Files).Select(i => Path.Combine(folder.FullName, $"{i}.jpg")).ToList();
            foreach (var file in files)
            {
                // Blocks of colours, as in photographs more than noise would be.
                var pixels = new byte[640 * 480 * 4];
                for (var i = 0; i < pixels.Length; i++)
                    pixels[i] = (byte)((i / 4 % 640 / 40 * 31) + (i / 2560 / 40 * 17) + (i % 4 * 53) + random.Next(16));
                using var image = MLImage.CreateFromPixels(640, 480, MLPixelFormat.Rgba32, pixels);
                image.Save(file);
            }
            var ml = new MLContext(1);
            var data = ml.Data.LoadFromEnumerable(files.Select(file => new ImageFile { File = file }));
            var load = ml.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageFile.File));
            var resize = load.Append(ml.Transforms.ResizeImages(
                "Image", 224, 224, resizing: ImageResizingEstimator.ResizingKind.Fill));
            var extract = resize.Append(ml.Transforms.ExtractPixels(Input, "Image"));
            var (decoded, resized, extracted) =
                (load.Fit(data).Transform(data), resize.Fit(data).Transform(data), extract.Fit(data).Transform(data));
            using var model = ml.Transforms.ApplyNetwork("Score", Input, network).Fit(extracted);
            using var session = SavedNetwork.Onnx(network, Environment.ProcessorCount);
            var batch = Images(Files, 224).SelectMany(row => row.Pixels).ToArray();
            Report(table, $"ResNet-50, {Files} JPEG files of 640 x 480",
            [
                ("a session of ONNX Runtime, pixels in memory", () => session.Score(batch, [Files, 3, 224, 224])),
                ("decoded", () => LastImage(decoded)),
                ("decoded and resized", () => LastImage(resized)),
                ("decoded, resized, as numbers", () => Last(extracted, Input)),
                ("decoded, resized, as numbers, scored", () => Last(model.Transform(extracted), "Score")),
            ], repetitions);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Report(SpeedTable table, string where, (string What, Action Action)[] all, int repetitions)
    {
        var times = Turns.TakeOnce([.. all.Select(one => one.Action)], repetitions);
        foreach (var (one, time) in all.Zip(times))
            table.Add(Name, where, one.What, time, "ms", time / times[0], $"of {all[0].What}");
    }

    private static void Last(IDataView data, string column)
    {
        using var cursor = data.GetRowCursor([data.Schema[column]]);
        var getter = cursor.GetGetter<VBuffer<float>>(data.Schema[column]);
        VBuffer<float> value = default;
        while (cursor.MoveNext())
            getter(ref value);
    }

    private static void LastImage(IDataView data)
    {
        using var cursor = data.GetRowCursor([data.Schema["Image"]]);
        var getter = cursor.GetGetter<MLImage>(data.Schema["Image"]);
        MLImage image = null!;
        while (cursor.MoveNext())
            getter(ref image);
        image.Dispose();
    }

    private static Row[] Images(int count, int size)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count)
            .Select(_ => new Row { Pixels =
                [.. Enumerable.Range(0, 3 * size * size).Select(_ => random.NextSingle())] })];
    }

    private static SchemaDefinition Schema(int size)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[Input].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, size, size);
        return schema;
    }

    private sealed class Row
    {
        [ColumnName(Input)]
        public float[] Pixels { get; set; } = [];
    }

    private sealed class Scores
    {
        public float[] Score { get; set; } = [];
    }

    private sealed class ImageFile
    {
        public string File { get; set; } = "";
    }
}

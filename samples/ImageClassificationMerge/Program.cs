// One small network for all weathers, from images to a saved model. A network that knows traffic signs in clear weather
// is adapted to fog, to night and to rain, without a label from there; each adapted network is quantized to 4 bits on
// images of its own weather; these are merged into one, which does on unlabelled images of each weather what the network
// of that weather does. The labels of fog, night and rain only measure how good that is. With --data, the domains of a
// folder take the place of the weathers.
using System.Diagnostics;
using Hdrq.Samples;
using Microsoft.ML;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Runtime;
using SkiaSharp;
using static Microsoft.ML.Transforms.Image.ImageResizingEstimator;
using static Microsoft.ML.Transforms.ValueToKeyMappingEstimator;

// The command line: names and values in turn. --epochs and --iterations are for a quick look.
string[] names = ["--data", "--network", "--output", "--epochs", "--iterations"];
var given = args.Chunk(2).ToLookup(pair => pair[0], pair => pair.ElementAtOrDefault(1));
var (data, onnx) = (given["--data"].LastOrDefault(), given["--network"].LastOrDefault());
var output = given["--output"].LastOrDefault() ?? "output";
var (epochs, iterations) = (Number("--epochs", 2), Number("--iterations", 60));
var wrong = given.Select(pair => pair.Key).Except(names).FirstOrDefault() is { } unknown
    ? $"'{unknown}' is not an option; the options are {string.Join(", ", names)}, each with a value."
    : args.Length % 2 == 1 ? $"{args[^1]} takes a value."
    : epochs < 1 || iterations < 1 ? "--epochs and --iterations take a whole number, at least 1."
    : data is not null && !Directory.Exists(data) ? $"--data: there is no folder '{data}'."
    : onnx is not null && !File.Exists(onnx) ? $"--network: there is no file '{onnx}'."
    : File.Exists(output) ? $"--output: '{output}' is a file."
    : null;
if (wrong is not null)
    return Refuse(wrong);
Network? pretrained = null;
try
{
    pretrained = onnx is null ? null : Network.LoadOnnx(onnx);
}
catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
{
    return Refuse($"--network: {exception.Message}");
}

// The images, <domain>/<train|test>/<class>/<image>. The source network knows the first domain.
var watch = Stopwatch.StartNew();
if (data is null)
{
    TrafficSigns.Draw(data = Path.Combine(output, "signs"), seed: 1, trainPerClass: 100, testPerClass: 60);
    Done($"Traffic signs in {data}");
}
var files = (
    from path in Directory.GetFiles(data, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
    where Path.GetExtension(path).ToLowerInvariant() is ".png" or ".jpg" or ".jpeg" or ".bmp"
    let folders = Path.GetRelativePath(data, path).Split(Path.DirectorySeparatorChar)
    where folders is [_, "train" or "test", _, _]
    select new ImageFile(path, Domain: folders[0], Split: folders[1], Class: folders[2])).ToList();
var classes = files.Select(file => file.Class).Distinct().Order(StringComparer.Ordinal).ToList();
string[] domains =
[
    .. files.Select(file => file.Domain).Distinct().OrderBy(name => name is not ("clean" or "clear" or "day"))
        .ThenBy(name => name, StringComparer.Ordinal),
];
if (domains.Length < 3)
    return Refuse($"'{data}' has {domains.Length} domains (<domain>/<train|test>/<class>/<image>), not 3 or more.");
foreach (var split in domains.SelectMany(domain => new[] { $"{domain}/train", $"{domain}/test" }))
{
    var known = files.Where(file => $"{file.Domain}/{file.Split}" == split).Select(file => file.Class);
    if (classes.Except(known).FirstOrDefault() is { } missing)
        return Refuse($"'{data}/{split}' has no images of '{missing}', which another folder has.");
}
var targets = domains[1..];
Directory.CreateDirectory(output);

// From files to pixels and labels.
var ml = new MLContext(seed: 1);
ml.Log += (_, entry) => Console.Write(entry.Kind == ChannelMessageKind.Warning ? $"{entry.RawMessage}\n" : "");
var side = pretrained is not null && pretrained.Graph.Inputs[0].Shape is [_, _, > 0 and var height, _]
    ? (int)height
    : SKBitmap.DecodeBounds(files[0].Path).Height;
var train = ml.Data.LoadFromEnumerable(files.Where(file => file.Split == "train"));
var test = ml.Data.LoadFromEnumerable(files.Where(file => file.Split == "test"));
var reading = ml.Transforms.LoadImages("Image", imageFolder: null, nameof(ImageFile.Path))
    .Append(ml.Transforms.ResizeImages("Image", side, side, resizing: ResizingKind.Fill))
    .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
    .Append(ml.Transforms.Conversion.MapValueToKey("Label", "Class", keyOrdinality: KeyOrdinality.ByValue));

// The source network: of the file, or a small one that is trained on the first domain. Networks trained on ImageNet
// expect normalized pixels, and those that were saved from a pipeline normalize them already. Images are shifted at
// random, and not mirrored, because a mirrored sign is another one.
var adaptation = new AdaptationOptions
{
    Epochs = epochs,
    BatchSize = 32,
    LearningRate = 1e-3,
    HorizontalFlip = false,
    CropPadding = (side + 15) / 16,
};
using var untrained = ResNet.Cifar(depth: 14, classes.Count, seed: 1, inputSize: side);
var isNormalized = pretrained?.Metadata.ContainsKey(NetworkMetadata.Normalization) == true;
var normalization = isNormalized ? null : ChannelNormalization.ImageNet();
var start = reading.Append(ml.Transforms.ApplyNetwork(
    "start", "Pixels", pretrained ?? untrained, new() { Normalization = normalization }));
using var first = pretrained is not null ? start.Fit(train) : start
    .Append(ml.Transforms.AdaptNetwork("source", "start", adaptation with
    {
        Epochs = 3 * epochs,
        LearningRate = 0.05,
        WeightDecay = 5e-4,
        UpdateStatistics = true,
        Moments = SentMoments.Nothing,                                          // only merging needs them
        Progress = new Steps($"Trained on {domains[0]}", Done),
    }, RowsOf(domains[0])))
    .Fit(train);
var source = first.LastTransformer.Network;
pretrained?.Dispose();

// All else is one pipeline. A step starts from the score column of another one, and reads the rows of its domain.
var hdrq = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = iterations } };
var pipeline = reading.Append(ml.Transforms.ApplyNetwork("source", "Pixels", source, new() { ClassNames = classes }));
foreach (var domain in targets)
{
    var options = adaptation with
    {
        Method = AdaptationMethod.Student,                                      // reads no label, nor does its teacher
        Teacher = adaptation with { Method = AdaptationMethod.Shot, LearningRate = 2e-3 },
        Progress = new Steps($"Adapted to {domain}", Done),
    };
    pipeline = pipeline.Append(ml.Transforms.AdaptNetwork($"{domain}-FP32", "source", options, RowsOf(domain)));
}
foreach (var domain in targets)
{
    var options = hdrq with { Progress = new Steps($"Quantized on {domain}", Done) };
    var (output4, input32) = ($"{domain}-W4A4", $"{domain}-FP32");
    pipeline = pipeline.Append(ml.Transforms.QuantizeHdrq(output4, input32, options, RowsOf(domain)));
}
var (merging, places) = (new MergeOptions(), new MergeRows { Domains = targets });
string[] Of(string bits) => [.. targets.Select(domain => $"{domain}-{bits}")];
using var model = pipeline
    .Append(ml.Transforms.MergeNetworks("merged-FP32", Of("FP32"), merging, rows: places))
    .Append(ml.Transforms.MergeNetworks("merged-W4A4", Of("W4A4"), merging, rows: places))
    .Append(ml.Transforms.Conversion.MapKeyToValue("Prediction", "PredictedLabel"))
    .Fit(train);
Done("Merged");

// How well the networks do in each domain, and how large their files are.
var pixels = reading.Fit(train).Transform(test);
Console.WriteLine($"\naccuracy, %   {string.Concat(domains.Select(name => $"{name,9}"))}  harmonic mean     bytes");
foreach (var network in model.OfType<NetworkTransformer>())
{
    var name = network.OutputColumnName;
    if (name is not ("source" or "merged-FP32" or "merged-W4A4"))
        continue;
    var metrics = ml.MulticlassClassification.EvaluateByDomain(network.Transform(pixels), scoreColumnName: name);
    var report = network.SaveOnnx(Path.Combine(output, $"{name}.onnx"));
    var accuracies = string.Concat(domains.Select(domain => $"{100 * metrics[domain].MicroAccuracy,9:0.0}"));
    Console.WriteLine($"{name,-14}{accuracies}{100 * metrics.HarmonicMean,15:0.0}{report.FileSize,10:N0}");
}
Console.WriteLine();
Done("Measured");

// What an application gets: from a file to the name of a class, without the networks that only led there. It is made of
// ML.NET's own transformers around ONNX Runtime, and needs neither this library nor Torch.
var zip = Path.Combine(output, "merged.zip");
ml.Model.Save(model.Only(train.Schema, "merged-W4A4", "Prediction"), train.Schema, zip);
using var engine = ml.Model.CreatePredictionEngine<ImageFile, Answer>(ml.Model.Load(zip, out _));
var example = files.Last(file => file.Split == "test");
Console.WriteLine($"{example.Path} is predicted as {engine.Predict(example).Prediction}.");

// A picture: test images of each domain, framed green where the prediction is right, and red where it is wrong.
const int Tile = 64;
const int Shown = 10;
using var sheet = new SKBitmap(Shown * Tile, domains.Length * Tile);
using var canvas = new SKCanvas(sheet);
foreach (var (row, domain) in domains.Index())
{
    var images = files.Where(file => file.Domain == domain && file.Split == "test").ToList();
    for (var column = 0; column < Shown; column++)
    {
        var file = images[column * images.Count / Shown];
        using var image = SKBitmap.Decode(file.Path);
        using var frame = new SKPaint();
        frame.Color = engine.Predict(file).Prediction == file.Class ? SKColors.LimeGreen : SKColors.Red;
        canvas.DrawRect(column * Tile, row * Tile, Tile, Tile, frame);
        canvas.DrawBitmap(image, SKRect.Create(column * Tile + 3, row * Tile + 3, Tile - 6, Tile - 6));
    }
}
using (var picture = File.Create(Path.Combine(output, "predictions.png")))
    sheet.Encode(picture, SKEncodedImageFormat.Png, quality: 100);
Console.WriteLine($"Written to {Path.GetFullPath(output)}: merged.zip, predictions.png, and networks as .onnx.");
return 0;

static RowOptions RowsOf(string domain) => new() { DomainColumnName = nameof(ImageFile.Domain), Domain = domain };

int Number(string name, int usual) =>
    given[name].LastOrDefault() is not { } text ? usual : int.TryParse(text, out var number) ? number : 0;

void Done(string step)
{
    Console.WriteLine($"{step,-50}{watch.Elapsed.TotalSeconds,7:0.0} s");
    watch.Restart();
}

static int Refuse(string sentence)
{
    Console.Error.WriteLine(sentence);
    return 2;
}

internal sealed record ImageFile(string Path, string Domain, string Split, string Class);

internal sealed class Answer
{
    public string Prediction { get; set; } = "";
}

/// <summary>Says how far a step is, on a terminal, and when it is done.</summary>
internal sealed class Steps(string step, Action<string> done)
    : IProgress<FineTuningProgress>, IProgress<QuantizationProgress>
{
    public void Report(FineTuningProgress now) => Report(now.Step, now.Steps);

    public void Report(QuantizationProgress now) =>
        Report(now.BlockIndex * now.Steps + now.Step, now.Blocks * now.Steps);

    private void Report(int count, int all)
    {
        if (!Console.IsOutputRedirected)
            Console.Write($"\r{step}: {100L * count / all} %\r");
        if (count == all)
            done(step);
    }
}

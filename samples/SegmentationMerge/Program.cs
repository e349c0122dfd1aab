// One small segmentation network for many places: each domain adapts a source network to its own images and quantizes
// it there to 4 bits by HDRQ; the quantized networks are merged into one, and saved as a model for any application.
//
//   dotnet run -c Release --project samples/SegmentationMerge -- [--data <folder>] [--network <file.onnx>]
//       [--output <folder>] [--epochs <n>] [--iterations <n>]
//
// The data folder holds images <domain>/<train|test>/images/<frame>.png (or .jpg), masks of the same names in labels
// (PNG, the number of a class in each pixel), and classes.txt with the name of a class in each line. Without --data,
// streets are drawn. Without --network, a small DeepLab is trained on the domain clean, clear, day or the first.
using System.Diagnostics;
using Hdrq.Samples;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using SkiaSharp;
using static Microsoft.ML.Transforms.Image.ImageResizingEstimator;

// Wrong arguments are refused before any work.
string[] names = ["--data", "--network", "--output", "--epochs", "--iterations"];
string[] usual = ["", "", "segmentation-merge", "6", "30"];
var settings = names.Zip(usual).ToDictionary(pair => pair.First, pair => pair.Second);
if (args.Chunk(2).FirstOrDefault(pair => pair.Length < 2 || !names.Contains(pair[0])) is { } wrong)
    return Refuse($"'{wrong[0]}' is not one of {string.Join(", ", names)}, each with a value.");
foreach (var pair in args.Chunk(2))
    settings[pair[0]] = pair[1];
var (data, onnx, output) = (settings["--data"], settings["--network"], settings["--output"]);
if (!int.TryParse(settings["--epochs"], out var epochs) || epochs < 1)
    return Refuse($"--epochs is '{settings["--epochs"]}' and must be a whole number of at least 1.");
if (!int.TryParse(settings["--iterations"], out var iterations) || iterations < 1)
    return Refuse($"--iterations is '{settings["--iterations"]}' and must be a whole number of at least 1.");
if (onnx != "" && !File.Exists(onnx))
    return Refuse($"--network: there is no file '{onnx}'.");
Network? pretrained = null;
try
{
    pretrained = onnx == "" ? null : Network.LoadOnnx(onnx);
}
catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
{
    return Refuse($"--network: {exception.Message}");
}

var clock = Stopwatch.StartNew();
if (data == "")
{
    data = Path.Combine(Path.GetTempPath(), "hdrq-streets-v2");
    StreetScenes.Draw(data, seed: 1, train: 100, test: 40);
    Done($"streets drawn in {data}");
}

// A row for each image with its mask, its domain, and what it is for.
if (!File.Exists(Path.Combine(data, "classes.txt")))
    return Refuse($"--data: there is no file '{Path.Combine(data, "classes.txt")}' with the names of the classes.");
var classes = File.ReadAllLines(Path.Combine(data, "classes.txt")).Where(name => name.Trim() != "").ToArray();
var frames = (
    from folder in Directory.GetDirectories(data).Order(StringComparer.Ordinal)
    from split in new[] { "train", "test" }
    where Directory.Exists(Path.Combine(folder, split, "images"))
    from image in Directory.GetFiles(Path.Combine(folder, split, "images")).Order(StringComparer.Ordinal)
    let mask = Path.Combine(folder, split, "labels", Path.GetFileNameWithoutExtension(image) + ".png")
    select new Frame(image, mask, Path.GetFileName(folder), split)).ToList();
var domains = frames.Select(frame => frame.Domain).Distinct().ToArray();
if (domains.Length < 2 || frames.DistinctBy(frame => (frame.Domain, frame.Split)).Count() < 2 * domains.Length)
    return Refuse($"--data: '{data}' must have two domains or more, each with images in train/images and test/images.");
if (frames.FirstOrDefault(frame => !File.Exists(frame.MaskPath)) is { } bare)
    return Refuse($"--data: '{bare.ImagePath}' has no mask '{bare.MaskPath}'.");
var sourceDomain = new[] { "clean", "clear", "day" }.FirstOrDefault(domains.Contains) ?? domains[0];
Directory.CreateDirectory(output);

// From files to pixels and masks of the first image's size. Values in masks that are no class do not count.
var ml = new MLContext(seed: 1);
var size = SKBitmap.DecodeBounds(frames[0].ImagePath);
var (width, height) = (size.Width, size.Height);
var values = Enumerable.Range(0, classes.Length).ToDictionary(value => (byte)value, value => (byte)value);
var reading = ml.Transforms.LoadImages("Image", imageFolder: null, "ImagePath")
    .Append(ml.Transforms.ResizeImages("Image", width, height, resizing: ResizingKind.Fill))
    .Append(ml.Transforms.ExtractPixels("Pixels", "Image"))
    .Append<ITransformer>(ml.Transforms.LoadMasks(
        "Label", "MaskPath", width, height, new() { Resizing = ResizingKind.Fill, ClassMap = values }));
var train = ml.Data.LoadFromEnumerable(frames.Where(frame => frame.Split == "train"));
var test = ml.Data.LoadFromEnumerable(frames.Where(frame => frame.Split == "test"));

// The source network. If it takes normalized images, ScoringOptions.Normalization says so where it is applied; if some
// classes are rare, AdaptationOptions.ClassWeights lets them count more.
var adaptation = new AdaptationOptions { Epochs = epochs, BatchSize = 16, Optimizer = FineTuningOptimizer.AdamW };
if (pretrained is null)
{
    using var untrained = DeepLab.Small(classes.Length, seed: 1, height, width, channels: 8);
    var training = adaptation with { Epochs = 3 * epochs, LearningRate = 4e-3, WeightDecay = 1e-2 };
    // From scratch: normalizations have no statistics yet, and what is not merged needs no Gram matrices.
    training = training with { UpdateStatistics = true, Moments = SentMoments.Nothing };
    var step = new Step($"{sourceDomain}: source trained", Done);
    var rows = new RowOptions { DomainColumnName = "Domain", Domain = sourceDomain };
    using var trained = reading.Append(ml.Transforms.ApplyNetwork("Untrained", "Pixels", untrained))
        .Append(ml.Transforms.AdaptNetwork("Source", "Untrained", training with { Progress = step }, rows)).Fit(train);
    pretrained = trained.LastTransformer.Network.Clone();
}
using var source = pretrained;

// Each domain's networks, and those that are merged of them: one pipeline.
var fourBits = new HdrqOptions { WeightBits = 4, ActivationBits = 4, Training = new() { Iterations = iterations } };
var pipeline = reading.Append<ITransformer>(
    ml.Transforms.ApplyNetwork("Source", "Pixels", source, new() { ClassNames = classes }));
foreach (var domain in domains)
{
    var rows = new RowOptions { DomainColumnName = "Domain", Domain = domain };
    var adapting = adaptation with { Progress = new Step($"{domain}: adapted", Done) };
    var hdrq = fourBits with { Progress = new Step($"{domain}: quantized", Done) };
    pipeline = pipeline.Append<ITransformer>(ml.Transforms.AdaptNetwork(domain, "Source", adapting, rows))
        .Append<ITransformer>(ml.Transforms.QuantizeHdrq($"{domain} W4A4", domain, hdrq, rows with { MaxRows = 50 }));
}
using var model = pipeline.Append(ml.Transforms.MergeNetworks("Merged FP32", domains))
    .Append(ml.Transforms.MergeNetworks("Merged W4A4", [.. domains.Select(domain => $"{domain} W4A4")]))
    .Fit(train);
Done("merged");

// Mean IoU on the test images of each domain.
var networks = model.OfType<NetworkTransformer>().ToDictionary(network => network.OutputColumnName);
var labelled = reading.Fit(test).Transform(test);
Console.WriteLine($"\n{"mean IoU, %",-12}{string.Concat(domains.Select(domain => $"{domain,9}"))} harmonic      bytes");
foreach (var name in new[] { "Source", "Merged FP32", "Merged W4A4" })
{
    var metrics = ml.SemanticSegmentation.EvaluateByDomain(networks[name].Transform(labelled));
    var bytes = networks[name].SaveOnnx(Path.Combine(output, $"{name}.onnx")).FileSize;
    var scores = string.Concat(metrics.Domains.Select(domain => $"{100 * domain.Score,9:0.0}"));
    Console.WriteLine($"{name,-12}{scores}{100 * metrics.HarmonicMean,9:0.0} {bytes,10:N0}");
}
Done("measured");

// A test image of each domain, its mask, and what the merged network says, side by side and three times as large.
var shown = ml.Data.LoadFromEnumerable(frames.Where(frame => frame.Split == "test").DistinctBy(frame => frame.Domain));
var scored = networks["Merged W4A4"].Transform(reading.Fit(shown).Transform(shown));
var painted = ml.Transforms.ColorMasks("Truth", "Label", "Image")
    .Append(ml.Transforms.ColorMasks("Prediction", "PredictedMask", "Image")).Fit(scored).Transform(scored);
using var sheet = new SKBitmap(3 * 3 * width, 3 * height * domains.Length);
using var canvas = new SKCanvas(sheet);
foreach (var (column, name) in new[] { "Image", "Truth", "Prediction" }.Index())
{
    foreach (var (row, image) in painted.GetColumn<MLImage>(name).Index())
    {
        var order = image.PixelFormat == MLPixelFormat.Bgra32 ? SKColorType.Bgra8888 : SKColorType.Rgba8888;
        using var picture = SKImage.FromPixelCopy(new SKImageInfo(width, height, order), image.Pixels);
        canvas.DrawImage(picture, SKRect.Create(3 * column * width, 3 * row * height, 3 * width, 3 * height));
    }
}
using (var png = File.Create(Path.Combine(output, "masks.png")))
    sheet.Encode(png, SKEncodedImageFormat.Png, quality: 100);

// The merged network alone, from image files to masks. An application that loads it needs neither this library nor
// Torch, but Microsoft.ML.ImageAnalytics and Microsoft.ML.OnnxTransformer.
ml.Model.Save(model.Only(train.Schema, "PredictedMask"), train.Schema, Path.Combine(output, "merged.zip"));
using var engine = ml.Model.CreatePredictionEngine<Frame, Prediction>(
    ml.Model.Load(Path.Combine(output, "merged.zip"), out _));
var areas = engine.Predict(frames[^1]).PredictedMask.DenseValues().CountBy(value => classes[value]);
var parts = from area in areas orderby area.Value descending select $"{100 * area.Value / width / height} % {area.Key}";
Done($"masks.png and merged.zip saved in {Path.GetFullPath(output)}");
Console.WriteLine($"merged.zip sees in {frames[^1].ImagePath}: {string.Join(", ", parts)}");
return 0;

int Refuse(string reason)
{
    Console.Error.WriteLine(reason);
    return 2;
}

void Done(string what)
{
    Console.WriteLine($"{clock.Elapsed.TotalSeconds,6:0.0} s  {what}");
    clock.Restart();
}

internal sealed record Frame(string ImagePath, string MaskPath, string Domain, string Split);

internal sealed class Prediction
{
    public VBuffer<byte> PredictedMask { get; set; }
}

/// <summary>Shows how far a step is, and says when it is done.</summary>
internal sealed class Step(string what, Action<string> done)
    : IProgress<FineTuningProgress>, IProgress<QuantizationProgress>
{
    public void Report(FineTuningProgress now) => Show(now.Step, now.Steps);

    public void Report(QuantizationProgress now) => Show(now.BlockIndex * now.Steps + now.Step, now.Blocks * now.Steps);

    private void Show(int step, int steps)
    {
        if (step == steps)
            done(what);
        else if (!Console.IsOutputRedirected)
            Console.Write($"{100 * step / steps,6} %  {what}\r");
    }
}

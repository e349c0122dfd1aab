using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using SkiaSharp;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>
/// What a document says is there before its code runs: a few small images, and networks so small that the defaults of
/// training take a second.
/// </summary>
internal static class Given
{
    private const string Common = "common.onnx";

    private const string Pretrained = "DnnImageModels/ResNet18Onnx/ResNet18.onnx";

    private const int Side = 32;

    /// <summary>So many that those of a place are enough to measure a merged draft.</summary>
    private const int ImagesPerClass = 12;

    private const int Frames = 2;

    private static readonly string[] _classes = ["cat", "dog", "horse"];

    private static readonly string[] _domains = ["clean", "fog", "night"];

    private static readonly string[] _sides = ["day", "dusk"];

    private static readonly ConcurrentDictionary<string, byte[]> _files = new(StringComparer.Ordinal);

    private static readonly Dictionary<string, Action> _makers = new(StringComparer.Ordinal)
    {
        ["images"] = MakeImages,
        ["photos"] = () => MakeImages("photos", 140, 0),
        ["streets"] = MakeStreets,
        ["source.onnx"] = () => Once("source.onnx", MakeSource),
        ["classifier.onnx"] = () => Once("classifier.onnx", MakeClassifier),
        ["segmenter.onnx"] = () => Once("segmenter.onnx", MakeSegmenter),
        [Pretrained] = MakePretrained,
        [Common] = () => Once(Common, MakeCommon),
        ["fog.onnx"] = () => Once("fog.onnx", () => Adapt("fog")),
        ["night.onnx"] = () => Once("night.onnx", () => Adapt("night")),
        ["fog-w4a4.onnx"] = () => Once("fog-w4a4.onnx", () => Quantize("fog")),
        ["night-w4a4.onnx"] = () => Once("night-w4a4.onnx", () => Quantize("night")),
        ["merged.zip"] = () => Once("merged.zip", Merge),
    };

    /// <summary>The names.</summary>
    public static IReadOnlyCollection<string> Names => _makers.Keys;

    /// <summary>Puts a thing into the current folder.</summary>
    public static void Make(string name) => _makers[name]();

    /// <summary>Makes a file in a folder of its own, the first time, and copies it.</summary>
    private static void Once(string name, Action make)
    {
        if (!_files.TryGetValue(name, out var content))
        {
            using var folder = new TemporaryFolder();
            make();
            _files[name] = content = File.ReadAllBytes(name);
        }
        File.WriteAllBytes(name, content);
    }

    private static void MakeImages()
    {
        foreach (var (domain, name) in _domains.Index())
        {
            foreach (var split in new[] { "train", "test" })
            {
                foreach (var (index, kind) in _classes.Index())
                    MakeImages(Path.Combine("images", name, split, kind), 70 * domain, index);
            }
        }
    }

    private static void MakeImages(string folder, int brightness, int kind)
    {
        Directory.CreateDirectory(folder);
        for (var i = 0; i < ImagesPerClass; i++)
        {
            using var bitmap = new SKBitmap(40, 30);
            bitmap.Erase(new SKColor(
                (byte)(brightness + 40 * kind), (byte)(brightness + 30 * (i % 2) + i), (byte)Blue(kind)));
            Save(bitmap, Path.Combine(folder, $"{i}.png"));
        }
    }

    private static void MakeStreets()
    {
        Directory.CreateDirectory("streets");
        File.WriteAllLines(Path.Combine("streets", "classes.txt"), ["sky", "road", "car"]);
        foreach (var (number, side) in _sides.Index())
        {
            foreach (var split in new[] { "train", "test" })
            {
                var folder = Path.Combine("streets", side, split);
                Directory.CreateDirectory(Path.Combine(folder, "images"));
                Directory.CreateDirectory(Path.Combine(folder, "labels"));
                for (var i = 0; i < Frames; i++)
                {
                    using var image = new SKBitmap(96, 64);
                    image.Erase(new SKColor((byte)(200 - 110 * number), (byte)(100 - 50 * number), (byte)(40 * i)));
                    Save(image, Path.Combine(folder, "images", $"{i}.png"));
                    using var mask = new SKBitmap(96, 64, SKColorType.Gray8, SKAlphaType.Opaque);
                    for (var y = 0; y < mask.Height; y++)
                    {
                        for (var x = 0; x < mask.Width; x++)
                        {
                            var kind = y < 30 ? 0 : x < 50 ? 1 : y < 60 ? 2 : 255;
                            Marshal.WriteByte(mask.GetPixels(), y * mask.RowBytes + x, (byte)kind);
                        }
                    }
                    Save(mask, Path.Combine(folder, "labels", $"{i}.png"));
                }
            }
        }
    }

    private static void Save(SKBitmap bitmap, string path)
    {
        using var file = File.Create(path);
        bitmap.Encode(file, SKEncodedImageFormat.Png, 100);
    }

    /// <summary>
    /// Tells classes by how blue an image is: a linear layer on the means of channels, which are normalized as for
    /// ImageNet. One block, which is trained for a thousand steps.
    /// </summary>
    private static void MakeSource()
    {
        const float sharpness = 20;
        var normalization = ChannelNormalization.ImageNet();
        var blue = _classes.Index()
            .Select(entry => (Blue(entry.Index) - normalization.Mean[2]) / normalization.StandardDeviation[2]).ToArray();
        var weights = blue.SelectMany(value => new[] { 0, 0, value * sharpness }).ToArray();
        using var builder = new NetworkBuilder();
        builder.Input("image", -1, 3, Side, Side);
        builder.Parameter("linear.weight", torch.tensor(weights, [_classes.Length, 3]));
        builder.Parameter("linear.bias", torch.tensor(blue.Select(value => -value * value / 2 * sharpness).ToArray()));
        builder.Node("GlobalAveragePool", "pool", ["image"]);
        builder.Node("Flatten", "flat", ["pool"]);
        builder.Node("Gemm", "scores", ["flat", "linear.weight", "linear.bias"], ("transB", 1L));
        using var network = builder.Build(new GraphValue("scores", ElementType.Float32, [-1, _classes.Length]));
        network.SaveOnnx("source.onnx");
    }

    /// <summary>Layers before the head, and normalizations: what adapting without labels needs.</summary>
    private static void MakeClassifier()
    {
        using var network = ResNet.Cifar(8, _classes.Length, seed: 1, width: 4, inputSize: Side);
        network.SaveOnnx("classifier.onnx");
    }

    private static int Blue(int kind) => 90 + 50 * kind;

    /// <summary>
    /// What a package brings, beside the application: features of images of 224 x 224 pixels, but few of them.
    /// </summary>
    private static void MakePretrained()
    {
        using var builder = new NetworkBuilder();
        using var random = new torch.Generator(1);
        builder.Input("Input247", -1, 3, 224, 224);
        builder.Parameter("Parameter91", torch.randn([8, 3, 7, 7], generator: random) * 0.01);
        builder.Node("Conv", "convolution", ["Input247", "Parameter91"], ("strides", new long[] { 31, 31 }));
        builder.Node("Relu", "positive", ["convolution"]);
        builder.Node("AveragePool", "pool", ["positive"], ("kernel_shape", new long[] { 8, 8 }));
        using var network = builder.Build(new GraphValue("pool", ElementType.Float32, [-1, 8, 1, 1]));
        var path = Path.Combine(AppContext.BaseDirectory, Pretrained);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        network.SaveOnnx(path);
    }

    /// <summary>Two convolutions, for images of any size.</summary>
    private static void MakeSegmenter()
    {
        using var builder = new NetworkBuilder();
        using var random = new torch.Generator(1);
        builder.Input("image", -1, 3, -1, -1);
        builder.Parameter("conv.weight", torch.randn([4, 3, 3, 3], generator: random) * 0.01);
        builder.Parameter("conv.bias", torch.zeros(4));
        builder.Parameter("head.weight", torch.randn([3, 4, 1, 1], generator: random));
        builder.Parameter("head.bias", torch.zeros(3));
        builder.Node("Conv", "features", ["image", "conv.weight", "conv.bias"], ("pads", new long[] { 1, 1, 1, 1 }));
        builder.Node("Relu", "positive", ["features"]);
        builder.Node("Conv", "scores", ["positive", "head.weight", "head.bias"]);
        using var network = builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 3, -1, -1]));
        network.SaveOnnx("segmenter.onnx");
    }

    /// <summary>The source network with its normalization inside.</summary>
    private static void MakeCommon()
    {
        Make("images");
        Make("source.onnx");
        Run("run --data images --network source.onnx --normalization imagenet --stage source --output common");
        File.Move(Path.Combine("common", "source.onnx"), Common);
    }

    private static void Adapt(string domain)
    {
        Make("images");
        Make(Common);
        Run($"adapt --data images --domain {domain} --network {Common} --output {domain}.onnx");
    }

    private static void Quantize(string domain)
    {
        Make("images");
        Make(Common);
        Make($"{domain}.onnx");
        Run($"quantize --data images --domain {domain} --network {domain}.onnx --source {Common} --iterations 10 "
            + $"--output {domain}-w4a4.onnx");
    }

    private static void Merge()
    {
        Make("fog-w4a4.onnx");
        Make("night-w4a4.onnx");
        File.WriteAllLines("classes.txt", _classes);
        Run("merge fog-w4a4.onnx night-w4a4.onnx --classes classes.txt --output merged.onnx --zip merged.zip");
    }

    private static void Run(string command) => ToolRunner.Run(command.Split(' '), nameof(Given));
}

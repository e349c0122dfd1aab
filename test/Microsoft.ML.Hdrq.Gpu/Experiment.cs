using System.Diagnostics;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>
/// A pair of CIFAR-10 domains at as many steps as the paper takes: quantized one by one, by processes side by side, and
/// merged by the paper's mean and by the library's default. The folder of data has <c>DOMAIN.train</c> and
/// <c>DOMAIN.test</c>, images of 32 x 32 x 3 bytes, <c>DOMAIN.labels</c>, one byte an image, and the networks
/// <c>source.onnx</c> and <c>DOMAIN.onnx</c>.
/// </summary>
internal static class Experiment
{
    private const int Side = 32;

    /// <summary>The domains.</summary>
    public static IReadOnlyList<string> Domains { get; } = ["fog", "night"];

    /// <summary>The methods.</summary>
    public static IReadOnlyList<string> Methods { get; } = ["hdrq", "qdrop", "brecq"];

    /// <summary>Checks that the data of the parts is there.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void Check(CommandLine given)
    {
        if (given.Data.Length == 0)
            throw new ArgumentException("Parts q and m need --data.");
        string[] needed =
            ["source.onnx", .. Domains.SelectMany(domain => new[] { "train", "test", "labels", "onnx" }
                .Select(ending => $"{domain}.{ending}"))];
        if (needed.FirstOrDefault(name => !File.Exists(Path.Combine(given.Data, name))) is { } missing)
            throw new ArgumentException($"--data {given.Data}: there is no {missing}.");
    }

    /// <summary>Quantizes one network.</summary>
    public static void Quantize(Setting setting)
    {
        var (method, domain) = (setting.Method, setting.Domain);
        using var source = Network.LoadOnnx(Path.Combine(setting.Data, "source.onnx")).To(setting.Device);
        using var network = Network.LoadOnnx(Path.Combine(setting.Data, $"{domain}.onnx")).To(setting.Device);
        var images = Images(setting, $"{domain}.train");
        QuantizationOptions options = method switch
        {
            "hdrq" => HdrqOptions.Paper with
            {
                Training = HdrqOptions.Paper.Training with { Iterations = setting.Steps }
            },
            "qdrop" => QDropOptions.Paper with
            {
                Training = QDropOptions.Paper.Training with { Iterations = setting.Steps }
            },
            "brecq" => BrecqOptions.Paper with
            {
                Training = BrecqOptions.Paper.Training with { Iterations = setting.Steps }
            },
            _ => throw new InvalidOperationException(method),
        };
        var start = Stopwatch.GetTimestamp();
        using var quantized = NetworkQuantizer.Quantize(
            network, images,
            options with
            {
                WeightBits = 4,
                ActivationBits = 4,
                Source = source,
                Moments = new(),
                Calibration = options.Calibration with { KeepOnDevice = true },
            },
            seed: 1, setting.Limit);
        setting.Log.Number($"{method} {domain}, {setting.Steps} steps a block",
            Stopwatch.GetElapsedTime(start).TotalSeconds, "s");
        setting.Log.Number($"{method} {domain}, own domain", Accuracy(quantized, domain, setting), "%");
        quantized.SaveOnnx(QuantizedFile(setting, method, domain));
    }

    /// <summary>Merges what was quantized.</summary>
    public static void Merge(Setting setting)
    {
        using (var source = Network.LoadOnnx(Path.Combine(setting.Data, "source.onnx")))
        {
            foreach (var domain in Domains)
                setting.Log.Number($"source on {domain}", Accuracy(source, domain, setting), "%");
        }
        var adapted = Domains.Select(domain => Network.LoadOnnx(Path.Combine(setting.Data, $"{domain}.onnx"))).ToList();
        Report("adapted, full precision", adapted, setting);
        foreach (var method in Methods)
        {
            if (!Domains.All(domain => File.Exists(QuantizedFile(setting, method, domain))))
            {
                setting.Log.Check($"{method}", passed: false, "part q has not quantized it for all domains");
                continue;
            }
            Report(method, [.. Domains.Select(domain => Network.LoadOnnx(QuantizedFile(setting, method, domain)))],
                setting);
        }
    }

    private static void Report(string what, List<Network> networks, Setting setting)
    {
        foreach (var (way, merge) in new (string, MergeMethod)[]
        {
            ("the paper's mean, best of 100", MergeMethod.Mean(MergeRounding.BestOf(100, 1))),
            ("the default", MergeMethod.Automatic),
        })
        {
            using var merged = NetworkMerger.Merge(networks, new() { Method = merge, AllowDifferentSources = true });
            var accuracies = Domains.Select(domain => Accuracy(merged, domain, setting)).ToArray();
            foreach (var (domain, accuracy) in Domains.Zip(accuracies))
                setting.Log.Number($"{what}, {way}: {domain}", accuracy, "%");
            setting.Log.Number($"{what}, {way}: harmonic mean",
                accuracies.Length / accuracies.Sum(accuracy => 1 / accuracy), "%");
        }
        networks.ForEach(network => network.Dispose());
    }

    private static string QuantizedFile(Setting setting, string method, string domain) =>
        Path.Combine(setting.Data, $"{method}-{domain}.quantized.onnx");

    private static double Accuracy(Network network, string domain, Setting setting)
    {
        using var scope = torch.NewDisposeScope();
        using var here = network.To(setting.Device);
        var labels = torch.tensor(Array.ConvertAll(
            File.ReadAllBytes(Path.Combine(setting.Data, $"{domain}.labels")), label => (long)label));
        var scores = NetworkBatches.Scores(here, Images(setting, $"{domain}.test"), 500, setting.Limit).cpu();
        return 100 * scores.argmax(1).eq(labels).to(torch.ScalarType.Float32).mean().item<float>();
    }

    /// <summary>Images as the networks take them: normalized by the mean and deviation of ImageNet.</summary>
    private static torch.Tensor Images(Setting setting, string name)
    {
        var bytes = File.ReadAllBytes(Path.Combine(setting.Data, name));
        var mean = torch.tensor(new[] { 0.485f, 0.456f, 0.406f }).reshape(1, 3, 1, 1);
        var deviation = torch.tensor(new[] { 0.229f, 0.224f, 0.225f }).reshape(1, 3, 1, 1);
        return torch.tensor(bytes).reshape(-1, Side, Side, 3).permute(0, 3, 1, 2).to(torch.ScalarType.Float32)
            .div(Scalars.Keep(255)).sub(mean).div(deviation).contiguous();
    }
}

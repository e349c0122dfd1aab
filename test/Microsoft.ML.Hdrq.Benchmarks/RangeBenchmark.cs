using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// What the reduced range of weights costs: quantizes a classifier with 8 bits on the training images of one domain,
/// with and without it, and measures it on the test images of all domains.
/// </summary>
public static class RangeBenchmark
{
    /// <summary>Quantizes and writes a line for each method and range.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="folder">The folder of domains.</param>
    /// <param name="networkPath">The network, ONNX, of colour images without normalization.</param>
    /// <param name="domain">The domain that it is quantized on.</param>
    /// <param name="seeds">The seeds of the images that are drawn and of training.</param>
    public static void Run(
        TextWriter output, string folder, string networkPath, string domain, params IEnumerable<int> seeds)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(seeds);
        using var network = Network.LoadOnnx(networkPath);
        var context = new MLContext(seed: 1);
        var images = new DomainImages(context, folder, network);
        var domains = images.Domains;
        var train = images.Read(domain, "train");
        var tests = domains.Select(name => images.Read(name, "test")).ToList();
        using var source = context.Transforms
            .ApplyNetwork("Source", "Pixels", network, new() { Normalization = ChannelNormalization.ImageNet() })
            .Fit(train);
        output.WriteLine($"| | range | {string.Join(" | ", domains)} | mean |");
        Write("full precision", "", source, test => test);
        foreach (var seed in seeds)
        {
            foreach (var options in new QuantizationOptions[] { new RoundToNearestOptions(), new HdrqOptions() })
            {
                foreach (var reduced in new[] { false, true })
                {
                    var given = options with { ReduceRange = reduced };
                    using var quantized = context.Transforms
                        .QuantizeNetwork("Score", "Source", given, new() { Seed = seed })
                        .Fit(source.Transform(train));
                    var name = $"{(options is HdrqOptions ? "HDRQ" : "RTN")} W8A8, seed {seed}";
                    Write(name, reduced ? "-64 to 64" : "-128 to 127", quantized, source.Transform);
                }
            }
        }

        void Write(string name, string range, NetworkTransformer transformer, Func<IDataView, IDataView> prepare)
        {
            var accuracies = tests.Select(test => images.Accuracy(transformer, prepare(test))).ToList();
            output.WriteLine($"| {name} | {range} | {Columns([.. accuracies, accuracies.Average()])} |");
            output.Flush();
        }

        static string Columns(IEnumerable<double> values) =>
            string.Join(" | ", values.Select(value => value.ToString("F2", CultureInfo.InvariantCulture)));
    }
}

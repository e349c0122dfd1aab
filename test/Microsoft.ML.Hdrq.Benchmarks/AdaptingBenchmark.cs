using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// Adapts a classifier without labels to each domain of a folder (<c>domain/train/class/image</c>, and <c>test</c>
/// likewise), and measures it on the domain's test images.
/// </summary>
public static class AdaptingBenchmark
{
    /// <summary>Adapts and writes a line for each domain, method and seed.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="folder">The folder of domains.</param>
    /// <param name="networkPath">The network, ONNX, of colour images without normalization.</param>
    /// <param name="arguments">
    /// <c>--domains</c>, <c>--methods</c> and <c>--seeds</c>, each with values separated by commas; all domains, the
    /// methods <c>Statistics,Shot,Student</c> and the seed 1 by default.
    /// </param>
    public static void Run(TextWriter output, string folder, string networkPath, IReadOnlyList<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(arguments);
        var methods = (Values("--methods") ?? ["Statistics", "Shot", "Student"]).Select(Enum.Parse<AdaptationMethod>);
        var seeds = (Values("--seeds") ?? ["1"]).Select(seed => int.Parse(seed, CultureInfo.InvariantCulture));
        using var network = Network.LoadOnnx(networkPath);
        var context = new MLContext(seed: 1);
        var images = new DomainImages(context, folder, network);
        var domains = Values("--domains") ?? images.Domains;
        foreach (var domain in domains)
        {
            var (train, test) = (images.Read(domain, "train"), images.Read(domain, "test"));
            using var source = context.Transforms
                .ApplyNetwork("Source", "Pixels", network, new() { Normalization = ChannelNormalization.ImageNet() })
                .Fit(train);
            output.WriteLine($"{domain}: source {images.Accuracy(source, test):0.00}");
            foreach (var (method, seed) in methods.SelectMany(_ => seeds, (method, seed) => (method, seed)))
            {
                var clock = Stopwatch.StartNew();
                using var adapted = context.Transforms
                    .AdaptNetwork("Score", "Source", new AdaptationOptions { Method = method }, new() { Seed = seed })
                    .Fit(source.Transform(train));
                var seconds = clock.Elapsed.TotalSeconds;
                var kept = AdaptationReport.Of(adapted.Network)?.KeptSource;
                output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{domain}: {method}, seed {seed}: {images.Accuracy(adapted, test):0.00}, {seconds:0} s"));
                if (kept is not null)
                    output.WriteLine($"  the source is kept: {kept}");
            }
        }

        string[]? Values(string option) => arguments.Index().Where(item => item.Item == option)
            .Select(item => arguments[item.Index + 1].Split(',')).FirstOrDefault();
    }
}

using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>How long it takes to merge ResNet-50 with 4-bit weights, by the mean and by the default.</summary>
public static class MergingBenchmark
{
    private const int Images = 8;

    /// <summary>Merges in turns, and writes a line for each method: the median time.</summary>
    /// <param name="output">Where the lines go.</param>
    /// <param name="networks">The number of networks, at least 2.</param>
    /// <param name="repetitions">Turns, at least 1.</param>
    public static void Run(TextWriter output, int networks, int repetitions)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(networks, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        var sites = Enumerable.Range(0, networks).Select(site => Site((ulong)site)).ToArray();
        using (var file = new MemoryStream())
        {
            sites[0].SaveOnnx(file);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"file of a network: {file.Length / 1e6:0.0} MB"));
        }
        (string Name, MergeMethod Method)[] methods = [("mean", MergeMethod.Mean()), ("default", MergeMethod.Automatic)];
        var times = Turns.TakeOnce(
            [.. methods.Select(method => (Action)(() => NetworkMerger.Merge(sites, new() { Method = method.Method, AllowDifferentSources = true }).Dispose()))],
            repetitions);
        foreach (var ((name, _), time) in methods.Zip(times))
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{networks} networks, {name,-8} {time / 1000,6:0.00} s"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"largest working set: {Process.GetCurrentProcess().PeakWorkingSet64 / 1e9:0.00} GB"));
        Array.ForEach(sites, site => site.Dispose());
    }

    private static Network Site(ulong seed)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(seed);
        using var network = ResNet.ImageNet(50, 1000, seed: 1);
        using (torch.no_grad())
        {
            foreach (var (_, parameter) in network.Parameters.Where(one => one.Value.dim() > 1))
                parameter.mul_(torch.randn(parameter.shape, generator: generator).mul(0.05).add(0.5)); // not larger from layer to layer
        }
        var options = new RoundToNearestOptions { WeightBits = 4, ActivationBits = 4 };
        return NetworkQuantizer.Quantize(network, torch.randn([Images, 3, 224, 224], generator: generator), options, 1);
    }
}

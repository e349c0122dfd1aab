using System.Globalization;
using BenchmarkDotNet.Running;
using Microsoft.ML.Hdrq.Benchmarks;
using Microsoft.ML.Hdrq.Networks.Torch;

// As in applications, where a network is the first that asks for Torch: the library then lets idle threads sleep, where Torch alone lets them spin.
TorchRuntime.EnsureLoaded();

// Those with names: what they compare takes turns, or goes on for many steps, which BenchmarkDotNet does not do.
switch (args)
{
    case ["reconstruction", ..]:
        ReconstructionStepBenchmark.Run(Console.Out, repetitions: 5);
        break;
    case ["depth", ..]:
        DepthBenchmark.Run(Console.Out, repetitions: 5);
        break;
    case ["memory", ..]:
        ReconstructionMemoryBenchmark.Run(Console.Out);
        break;
    case ["large", var name, var folder, var steps]:
        LargeNetworkBenchmark.Run(Console.Out, name, folder, int.Parse(steps, CultureInfo.InvariantCulture));
        break;
    case ["adapting", var images, var network, .. var rest]:
        AdaptingBenchmark.Run(Console.Out, images, network, rest);
        break;
    case ["ranges", var images, var network, var domain, .. var seeds]:
        RangeBenchmark.Run(
            Console.Out, images, network, domain,
            seeds.Select(seed => int.Parse(seed, CultureInfo.InvariantCulture)));
        break;
    case ["merging", "write", var folder, var networks, var bits]:
        MergingBenchmark.Write(
            Console.Out, folder, int.Parse(networks, CultureInfo.InvariantCulture), int.Parse(bits, CultureInfo.InvariantCulture));
        break;
    case ["merging", ("files" or "memory") and var from, var folder, var networks, var repetitions, .. var way]:
        MergingBenchmark.Run(
            Console.Out, [.. Directory.GetFiles(folder, "*.onnx").Order(StringComparer.Ordinal).Take(int.Parse(networks, CultureInfo.InvariantCulture))],
            from == "memory", way.FirstOrDefault(), int.Parse(repetitions, CultureInfo.InvariantCulture));
        break;
    case ["integers"]:
        IntegerScoringBenchmark.Run(Console.Out);
        break;
    case ["integers", var repetitions]:
        IntegerScoringBenchmark.Run(Console.Out, int.Parse(repetitions, CultureInfo.InvariantCulture));
        break;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(PipelineScoringBenchmark).Assembly).Run(args);
        break;
}

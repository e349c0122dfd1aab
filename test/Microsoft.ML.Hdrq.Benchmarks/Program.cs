using System.Globalization;
using Microsoft.ML.Hdrq.Benchmarks;
using Microsoft.ML.Hdrq.Networks.Torch;

// As in applications, where a network is the first that asks for Torch: the library then lets idle threads sleep, where Torch alone lets them spin.
TorchRuntime.EnsureLoaded();

var output = Array.IndexOf(args, "--output");
using var table = new SpeedTable(Console.Out, output >= 0 && output + 1 < args.Length ? args[output + 1] : null);
switch (output < 0 ? args : args[..output])
{
    case ["all"]:
        RowScoringBenchmark.Run(table, repetitions: 3);
        IntegerScoringBenchmark.Run(table, repetitions: 5);
        TransformerScoringBenchmark.Run(table, repetitions: 5);
        ReconstructionStepBenchmark.Run(table, repetitions: 3);
        PaperSettingsBenchmark.Run(table);
        DepthBenchmark.Run(table, repetitions: 3);
        ThreadsBenchmark.Run(table, repetitions: 3);
        MergingBenchmark.RunApart(table);
        break;
    case ["rows"]:
        RowScoringBenchmark.Run(table, repetitions: 5);
        break;
    case ["integers", .. var repetitions]:
        IntegerScoringBenchmark.Run(table, repetitions is [var number] ? Number(number) : 9);
        break;
    case ["transformers"]:
        TransformerScoringBenchmark.Run(table, repetitions: 9);
        break;
    case ["reconstruction"]:
        ReconstructionStepBenchmark.Run(table, repetitions: 5);
        break;
    case ["paper"]:
        PaperSettingsBenchmark.Run(table);
        break;
    case ["depth"]:
        DepthBenchmark.Run(table, repetitions: 5);
        break;
    case ["threads"]:
        ThreadsBenchmark.Run(table, repetitions: 5);
        break;
    case ["merging"]:
        MergingBenchmark.RunApart(table);
        break;
    case ["merging", "write", var folder, var networks, var bits]:
        MergingBenchmark.Write(Console.Out, folder, Number(networks), Number(bits));
        break;
    case ["merging", ("files" or "memory") and var from, var folder, var networks, var repetitions, .. var way]:
        MergingBenchmark.Run(
            table, [.. Directory.GetFiles(folder, "*.onnx").Order(StringComparer.Ordinal).Take(Number(networks))],
            from == "memory", way.FirstOrDefault(), Number(repetitions));
        break;
    case ["memory"]:
        ReconstructionMemoryBenchmark.Run(Console.Out);
        break;
    case ["large", var name, var folder, var steps]:
        LargeNetworkBenchmark.Run(Console.Out, name, folder, Number(steps));
        break;
    case ["adapting", var images, var network, .. var rest]:
        AdaptingBenchmark.Run(Console.Out, images, network, rest);
        break;
    case ["ranges", var images, var network, var domain, .. var seeds]:
        RangeBenchmark.Run(Console.Out, images, network, domain, seeds.Select(Number));
        break;
    default:
        Console.Error.WriteLine(
            "all | rows | integers [N] | transformers | reconstruction | paper | depth | threads | merging, each with [--output FILE.csv]\n"
            + "merging write FOLDER NETWORKS BITS | merging files|memory FOLDER NETWORKS N [mean|default]\n"
            + "memory | large segformer-b2|deeplab-101|vit-b16 FOLDER STEPS\n"
            + "adapting IMAGES NETWORK ... | ranges IMAGES NETWORK DOMAIN SEED...");
        return 2;
}
return 0;

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

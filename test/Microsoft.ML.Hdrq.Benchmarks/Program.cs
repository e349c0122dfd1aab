using System.Globalization;
using Microsoft.ML.Hdrq.Benchmarks;
using Microsoft.ML.Hdrq.Networks.Torch;

// As in applications, where a network is the first that asks for Torch: the library then lets idle threads sleep, where
// Torch alone lets them spin.
TorchRuntime.EnsureLoaded();
try
{
    // The whole command line is looked at before anything is done or written.
    if (Figures(args) is { } figures)
        SpeedTable.Write(Console.Out, figures.Output, figures.Run);
    else if (Lines(args) is { } lines)
        lines(Console.Out);
    else
    {
        Console.Error.WriteLine(
            "all | rows | integers [N] | transformers | reconstruction | paper | depth | threads | merging,\n"
            + "merging files|memory FOLDER NETWORKS N [mean|default], each with [--output FILE.csv];\n"
            + "merging write FOLDER NETWORKS BITS | memory | large segformer-b2|deeplab-101|vit-b16 FOLDER STEPS\n"
            + "adapting IMAGES NETWORK ... | ranges IMAGES NETWORK DOMAIN SEED...");
        return 2;
    }
    return 0;
}
catch (Exception exception) when (exception is ArgumentException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

// Benchmarks whose figures go into a table.
static (Action<SpeedTable> Run, string? Output)? Figures(string[] args)
{
    string? output = null;
    if (args is [.. var before, "--output", var file])
        (args, output) = (before, file);
    Action<SpeedTable>? run = args switch
    {
        ["all"] => All,
        ["rows"] => table => RowScoringBenchmark.Run(table, repetitions: 5),
        ["integers"] => table => IntegerScoringBenchmark.Run(table, repetitions: 9),
        ["integers", var repetitions] when Number(repetitions, 1) is { } number =>
            table => IntegerScoringBenchmark.Run(table, number),
        ["transformers"] => table => TransformerScoringBenchmark.Run(table, repetitions: 9),
        ["reconstruction"] => table => ReconstructionStepBenchmark.Run(table, repetitions: 5),
        ["paper"] => PaperSettingsBenchmark.Run,
        ["depth"] => table => DepthBenchmark.Run(table, repetitions: 5),
        ["threads"] => table => ThreadsBenchmark.Run(table, repetitions: 5),
        ["merging"] => MergingBenchmark.RunApart,
        ["merging", ("files" or "memory") and var from, var folder, var networks, var repetitions, .. var way]
            when way is [] or ["mean" or "default"] && Number(networks, 2) is { } count
                && Number(repetitions, 1) is { } turns =>
            table => MergingBenchmark.Run(table, folder, count, from == "memory", way.FirstOrDefault(), turns),
        _ => null,
    };
    return run is null ? null : (run, output);
}

static void All(SpeedTable table)
{
    RowScoringBenchmark.Run(table, repetitions: 3);
    IntegerScoringBenchmark.Run(table, repetitions: 5);
    TransformerScoringBenchmark.Run(table, repetitions: 5);
    ReconstructionStepBenchmark.Run(table, repetitions: 3);
    PaperSettingsBenchmark.Run(table);
    DepthBenchmark.Run(table, repetitions: 3);
    ThreadsBenchmark.Run(table, repetitions: 3);
    MergingBenchmark.RunApart(table);
}

// Benchmarks that write lines.
static Action<TextWriter>? Lines(string[] args) => args switch
{
    ["merging", "write", var folder, var networks, var bits]
        when Number(networks, 1) is { } count && Number(bits, 2) is { } width and (<= 8 or 32) =>
        output => MergingBenchmark.Write(output, folder, count, width),
    ["memory"] => ReconstructionMemoryBenchmark.Run,
    ["large", var name, var folder, var steps]
        when LargeNetworkBenchmark.Names.Contains(name) && Number(steps, 1) is { } count =>
        output => LargeNetworkBenchmark.Run(output, name, folder, count),
    ["adapting", var images, var network, .. var rest] when Directory.Exists(images) && File.Exists(network) =>
        output => AdaptingBenchmark.Run(output, images, network, rest),
    ["ranges", var images, var network, var domain, .. { Length: > 0 } seeds]
        when Directory.Exists(Path.Combine(images, domain)) && File.Exists(network)
            && seeds.All(seed => Number(seed, 0) is not null) =>
        output => RangeBenchmark.Run(output, images, network, domain, seeds.Select(seed => Number(seed, 0)!.Value)),
    _ => null,
};

static int? Number(string text, int least) =>
    int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least ? number : null;

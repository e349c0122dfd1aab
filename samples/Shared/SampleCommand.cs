using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Hdrq.Samples.Comparison;
using Hdrq.Samples.Explanations;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Spectre.Console;

namespace Hdrq.Samples;

/// <summary>The command line that samples share; what differs are words, defaults and what is run.</summary>
internal sealed record SampleCommand
{
    /// <summary>What the program does.</summary>
    public required string Description { get; init; }

    /// <summary>What <c>--data</c> takes, and what is done without it.</summary>
    public required string Data { get; init; }

    /// <summary>What is done without <c>--network</c>.</summary>
    public required string WithoutNetwork { get; init; }

    /// <summary>The architectures of source networks that can be trained, by the names that <c>--architecture</c> takes; the first is the default.</summary>
    public required IReadOnlyList<string> Architectures { get; init; }

    /// <summary>The methods of quantization without <c>--methods</c>.</summary>
    public required IReadOnlyList<MethodChoice> Methods { get; init; }

    /// <summary>The bits of weights and activations without <c>--bits</c>; the last of them alone on the images that the sample draws.</summary>
    public required IReadOnlyList<(int Weights, int Activations)> Bits { get; init; }

    /// <summary>The images that the sample draws, in the plural.</summary>
    public required string Drawn { get; init; }

    /// <summary>Steps for each block on the images that the sample draws: enough for small networks, whose run is to be short.</summary>
    public required int DrawnIterations { get; init; }

    /// <summary>The task's own settings of quantization, which the library's defaults become; those of <c>--settings paper</c> stay as they are.</summary>
    public Func<HdrqOptions, HdrqOptions> Settings { get; init; } = defaults => defaults;

    /// <summary>What runs the job.</summary>
    public required Func<SampleOptions, IAnsiConsole, MergeSample> Create { get; init; }

    /// <summary>The command for the parser.</summary>
    public RootCommand ToCommand()
    {
        var data = new Option<string?>("--data") { Description = Data };
        var source = new Option<string?>("--source") { Description = "The source domain. Default: clean, clear or day, or the first by name." };
        var network = new Option<string?>("--network") { Description = $"ONNX file of the source network. {WithoutNetwork}" };
        var architecture = new Option<string?>("--architecture") { Description = $"What is trained without --network: {string.Join(", ", Architectures)}. Default: the first." };
        var epochs = new Option<int?>("--epochs") { Description = "Passes over the source domain's images to train the source network. Default: the sample's choice." };
        var adaptationEpochs = new Option<int?>("--adaptation-epochs") { Description = "Passes over a domain's images to adapt the source network. Default: the sample's choice." };
        var adaptationRate = new Option<double?>("--adaptation-rate") { Description = "Learning rate with which the source network is adapted. Default: the sample's choice, for networks that are trained well." };
        var normalization = new Option<string?>("--normalization") { Description = "What the network wants of the pixels: imagenet (mean and deviation of ImageNet) or none (0 to 255). Default: none with --network, imagenet without." };
        var adapted = new Option<string?>("--adapted") { Description = "ONNX files of networks that are adapted already, with {domain} in place of the domain. Without it the sample adapts the source network." };
        var stage = new Option<Stage>("--stage") { Description = "Stop after this stage.", DefaultValueFactory = _ => Stage.Merged };
        var domains = new Option<string[]>("--domains") { Description = $"The domains to serve. Default: all but the source domain, or both where there are two.", AllowMultipleArgumentsPerToken = true };
        var merge = new Option<string[]>("--merge") { Description = "Which domains' networks to merge, such as fog+night; pairs; all.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["pairs", "all"] };
        var bits = new Option<(int Weights, int Activations)[]>("--bits") { Description = $"Bits of weights and activations, 2 to 8, one pair or several. Default: {string.Join(" ", Bits.Select(pair => $"{pair.Weights},{pair.Activations}"))}, the last pair alone without --data, and with --compare 4,4 3,3.", AllowMultipleArgumentsPerToken = true, CustomParser = ParseBits };
        var compare = new Option<bool>("--compare") { Description = "Compare methods: every one of --methods with every one of --bits and --seeds, merged in every way of --merging, measured on the domains that a network is to serve." };
        var methods = new Option<string[]>("--methods") { Description = $"How to quantize: {string.Join(", ", MethodChoice.All.Select(choice => choice.Name))}. Default: {string.Join(", ", Methods.Select(choice => choice.Name))}, and with --compare the first five.", AllowMultipleArgumentsPerToken = true };
        var merging = new Option<string[]>("--merging") { Description = $"How to merge what is compared: {string.Join(", ", MergingChoice.All.Select(choice => choice.Name))}. Default: all.", AllowMultipleArgumentsPerToken = true };
        var seeds = new Option<int[]>("--seeds") { Description = "Seeds of what is compared. Default: 1 2 3.", AllowMultipleArgumentsPerToken = true };
        var settings = new Option<string>("--settings") { Description = "default, or paper: quantizers where the paper has them, one scale for a weight, 20,000 iterations.", DefaultValueFactory = _ => "default" };
        var iterations = new Option<int?>("--iterations") { Description = $"Steps for each block; 0 rounds to nearest. Default: that of the settings ({Settings(new()).Training.Iterations:N0}), or {DrawnIterations} for {Drawn}." };
        var calibration = new Option<int?>("--calibration-images") { Description = "Images that each network is quantized on. Default: that of the settings." };
        var average = new Option<double[]>("--average-bits") { Description = "Average bits of weights for which HDRQ shares bits out among layers by their sensitivity, besides the rest; such as 3.5.", AllowMultipleArgumentsPerToken = true };
        var allocation = new Option<BitAllocationBasis>("--allocation") { Description = "By what bits are shared out: SourceWeights, the weights of the source network, or Images, those of the first domain, whose bits the others take over.", DefaultValueFactory = _ => BitAllocationBasis.SourceWeights };
        var explain = new Option<int?>("--explain") { Description = "Look at the networks with this many test images of a domain: curvature, distances, what lies between networks, and which layers hurt. 128 if no number is given.", Arity = ArgumentArity.ZeroOrOne };
        var output = new Option<string?>("--output") { Description = "Folder for results.json, the networks and pictures. A run that was stopped goes on from what it finds there." };
        var seed = new Option<int>("--seed") { Description = "Seed of images, weights and orders.", DefaultValueFactory = _ => 1 };
        var batchSize = new Option<int>("--batch-size") { Description = "Images scored at once.", DefaultValueFactory = _ => 32 };
        var threads = new Option<int?>("--threads") { Description = "Threads that score; 1 where other work shares the cores. Default: one for each core." };
        var gpu = new Option<int?>("--gpu") { Description = "Number of the GPU to use. Without it the CPU is used." };
        normalization.AcceptOnlyFromAmong("imagenet", "none");
        architecture.AcceptOnlyFromAmong([.. Architectures]);
        settings.AcceptOnlyFromAmong("default", "paper");
        var command = new RootCommand(Description)
        {
            data, source, network, architecture, epochs, adapted, adaptationEpochs, adaptationRate, normalization, stage, domains, merge, bits, settings, iterations, calibration, output, seed, batchSize, threads, gpu, compare, methods, merging, seeds, average, allocation, explain,
        };
        command.SetAction((result, cancellationToken) => Task.Run(() =>
        {
            var pairs = result.GetValue(bits) is { Length: > 0 } given ? given : null;
            var preset = result.GetValue(settings) == "paper" ? HdrqOptions.Paper : Settings(new());
            return Run(() => new SampleOptions
            {
                Data = result.GetValue(data),
                Source = result.GetValue(source),
                Network = result.GetValue(network),
                Architecture = result.GetValue(architecture),
                SourceEpochs = result.GetValue(epochs),
                AdaptationEpochs = result.GetValue(adaptationEpochs),
                AdaptationLearningRate = result.GetValue(adaptationRate),
                Adapted = result.GetValue(adapted),
                Normalization = (result.GetValue(normalization) ?? (result.GetValue(network) is null ? "imagenet" : "none")) == "imagenet" ? ChannelNormalization.ImageNet() : null,
                LastStage = result.GetValue(stage),
                Domains = result.GetValue(domains) is { Length: > 0 } names ? names : null,
                Merges = result.GetValue(merge)!,
                Methods = Chosen() ?? Methods,
                Bits = pairs ?? (result.GetValue(data) is null ? [Bits[^1]] : Bits),
                Quantization = preset with
                {
                    Training = preset.Training with { Iterations = result.GetValue(iterations) ?? (result.GetValue(data) is null ? DrawnIterations : preset.Training.Iterations) },
                },
                CalibrationImages = result.GetValue(calibration),
                AverageBits = result.GetValue(average) ?? [],
                Allocation = result.GetValue(allocation),
                Explanation = result.GetResult(explain) is null ? null : result.GetValue(explain) is { } images ? new ExplanationOptions { Images = images } : new ExplanationOptions(),
                Output = result.GetValue(output),
                Seed = result.GetValue(seed),
                BatchSize = result.GetValue(batchSize),
                Threads = result.GetValue(threads),
                GpuDeviceId = result.GetValue(gpu),
                Comparison = result.GetValue(compare) ? Comparison() : null,
            }, cancellationToken);

            IReadOnlyList<MethodChoice>? Chosen() =>
                result.GetValue(methods) is { Length: > 0 } names ? ComparisonOptions.Choose(MethodChoice.All, choice => choice.Name, names, "--methods") : null;

            ComparisonOptions Comparison()
            {
                var comparison = new ComparisonOptions();
                return new()
                {
                    Methods = Chosen() ?? comparison.Methods,
                    Mergings = result.GetValue(merging) is { Length: > 0 } ways ? ComparisonOptions.Choose(MergingChoice.All, choice => choice.Name, ways, "--merging") : comparison.Mergings,
                    Bits = pairs ?? comparison.Bits,
                    Seeds = result.GetValue(seeds) is { Length: > 0 } numbers ? numbers : comparison.Seeds,
                };
            }
        }));
        return command;
    }

    private static (int, int)[] ParseBits(ArgumentResult result)
    {
        var pairs = new List<(int, int)>();
        foreach (var token in result.Tokens)
        {
            var parts = token.Value.Split(',');
            if (parts.Length == 2 && int.TryParse(parts[0], CultureInfo.InvariantCulture, out var weights) && int.TryParse(parts[1], CultureInfo.InvariantCulture, out var activations))
                pairs.Add((weights, activations));
            else
                result.AddError($"--bits {token.Value}: it takes two numbers, those of weights and activations, such as 4,4.");
        }
        return [.. pairs];
    }

    private int Run(Func<SampleOptions> options, CancellationToken cancellationToken)
    {
        try
        {
            Create(options(), AnsiConsole.Console).Run(cancellationToken);
            return 0;
        }
        catch (OperationCanceledException)
        {
            AnsiConsole.MarkupLine("[yellow]Cancelled.[/]");
            return 130;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or NotSupportedException or ArgumentException or InvalidOperationException or UnauthorizedAccessException)
        {
            AnsiConsole.MarkupLineInterpolated($"[red]{exception.Message}[/]");
            return 1;
        }
    }
}

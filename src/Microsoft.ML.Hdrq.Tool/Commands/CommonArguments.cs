using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>Options that commands share, each with one name and one meaning.</summary>
internal static class CommonArguments
{
    /// <summary>More images at once would not fit into memory, and gain nothing.</summary>
    public const int LargestBatch = 4096;

    /// <summary>The most threads that can be asked for.</summary>
    public const int MostThreads = 1024;

    /// <summary>The name of the option for output for programs.</summary>
    public const string JsonName = "--json";

    /// <summary>Output for programs.</summary>
    public static Option<bool> Json() =>
        new(JsonName)
        {
            Arity = ArgumentArity.Zero,
            Description = "Print events and results for programs, one JSON object a line."
        };

    /// <summary>The name of the option for the output that holds the scores.</summary>
    public const string ScoresName = "--scores";

    /// <summary>The output that holds the scores.</summary>
    public static Option<string?> Scores() =>
        new(ScoresName) { Description = "Name of the output with the scores, where the network has several outputs." };

    /// <summary>The seed.</summary>
    public static Option<int> Seed() =>
        Arguments.Integer("--seed", "Seed of weights, orders and random draws.", int.MinValue, int.MaxValue, 1);

    /// <summary>The size of a batch.</summary>
    public static Option<int> BatchSize() =>
        Arguments.Integer("--batch-size", "Images scored at once.", 1, LargestBatch, 32);

    /// <summary>The name of the option for threads.</summary>
    private const string ThreadsName = "--threads";

    /// <summary>Threads of what only scores.</summary>
    public static Option<int?> Threads() =>
        Arguments.OptionalInteger(
            ThreadsName, "Threads that score; 1 where other work shares the cores. Default: one for each core.", 1,
            MostThreads);

    /// <summary>Threads of what trains.</summary>
    public static Option<int?> TrainingThreads() =>
        Arguments.OptionalInteger(
            ThreadsName, "Threads that train and score; 1 where other work shares the cores. The same number gives the "
            + "same network, another one differs in the last digits. Default: one for each core.", 1, MostThreads);

    /// <summary>What is to be said of more threads than cores; null where there are not more.</summary>
    public static string? TooManyThreads(ParseResult result) =>
        result.GetResult(ThreadsName) is OptionResult option && option.GetValueOrDefault<int?>() is { } threads
            && threads > Environment.ProcessorCount
                ? $"{ThreadsName} {threads}: more threads than cores ({Environment.ProcessorCount}) are slower. "
                    + "They only serve to get the same network as a machine that has so many."
                : null;

    /// <summary>The GPU.</summary>
    public static Option<int?> Gpu() =>
        Arguments.OptionalInteger("--gpu", "Number of the GPU to train on, from 0. Default: the CPU.", 0, int.MaxValue);

    /// <summary>What a network wants of its pixels.</summary>
    public static Option<string?> NormalizationOption(string standard) => Arguments.Choice(
        "--normalization",
            $"What the network wants of the pixels: imagenet (mean and deviation of ImageNet; files that begin with "
            + $"these already, as those do that hdrq wrote with it, keep them) or none (0 to 255 as they are, or the "
            + $"file does something else itself). Default: {standard}", "imagenet", "none");

    /// <summary>The normalization of a word.</summary>
    public static ChannelNormalization? Normalization(string? word) => word == "imagenet"
        ? ChannelNormalization.ImageNet() : null;

    /// <summary>Images each network is quantized on where nothing else is said: the library's default.</summary>
    public const int StandardCalibrationImages = 256;

    /// <summary>Images each network is quantized on.</summary>
    public static Option<int?> CalibrationImages() =>
        Arguments.OptionalInteger(
            "--calibration-images", $"Images that a network is quantized on. Default: {StandardCalibrationImages}.", 1,
            int.MaxValue);

    /// <summary>Settings of quantization.</summary>
    public static Option<string?> Settings() => Arguments.Choice(
        "--settings",
            "default, or paper: quantizers where the paper has them, one scale for a weight, 20,000 iterations.",
            "default", "paper");

    /// <summary>Steps of quantization.</summary>
    public static Option<int?> Iterations() => Arguments.OptionalInteger(
        "--iterations",
            "Steps for each block; 0 rounds to nearest. Default: 1,000, for segmentation 100, or that of the settings.",
            0, int.MaxValue);
}

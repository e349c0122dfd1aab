using System.Globalization;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>What the command line asks for.</summary>
/// <param name="Device"><c>cuda:0</c> or <c>cpu</c>.</param>
/// <param name="Parts">The letters of the parts.</param>
/// <param name="Output">The file for results; null for none.</param>
/// <param name="Data">The folder of images and networks of the last parts.</param>
/// <param name="Method">The method that one of the last parts quantizes with.</param>
/// <param name="Domain">The domain whose network it quantizes.</param>
/// <param name="Steps">The steps a block there.</param>
/// <param name="Patience">How many times as long as it needs on a GPU a part may take.</param>
/// <param name="IsBrief">Whether sizes and numbers of steps are those for a CPU.</param>
internal sealed record CommandLine(
    string Device, IReadOnlyList<string> Parts, string? Output, string Data, string Method, string Domain, int Steps,
    int Patience, bool IsBrief)
{
    public const string Usage = """
        hdrq-gpu [--device cuda:0|cpu] [--parts a,b,...] [--output FILE.jsonl] [--brief] [--patience N]
                 [--data FOLDER] [--network METHOD:DOMAIN] [--steps N]

        --parts     a libtorch, b operators, c quantizers, d methods, e adapting, f Gram matrices, g memory, h speed,
                    i choice of the device, w whole networks (all these by default); q quantizes one network of
                    CIFAR-10, m merges what q made
        --output    a new file: every result as a line of JSON, as it comes
        --brief     small sizes, for a CPU
        --patience  how many times as long as on a GPU a part may take: 1, with --device cpu 5
        --data      for q and m: DOMAIN.train, DOMAIN.test (32 x 32 x 3 bytes an image), DOMAIN.labels (a byte an
                    image), source.onnx and DOMAIN.onnx for the domains fog and night; q writes its networks there
        --network   for q: hdrq, qdrop or brecq, and fog or night; hdrq:fog by default
        --steps     for q: steps a block, 1000 by default

        Exit codes: 0 all checks passed, 1 one failed, 2 wrong arguments.
        """;

    private const string Standard = "a,b,c,d,e,f,g,h,i,w";
    private static readonly string[] _withValue =
        ["--device", "--parts", "--output", "--patience", "--data", "--network", "--steps"];

    /// <summary>Reads a command line.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="parts">The letters of all parts.</param>
    /// <exception cref="ArgumentException">It is wrong; the message says what of it.</exception>
    public static CommandLine Parse(string[] arguments, IReadOnlyCollection<string> parts)
    {
        var (values, isBrief) = (new Dictionary<string, string>(StringComparer.Ordinal), false);
        for (var i = 0; i < arguments.Length; i++)
        {
            var name = arguments[i];
            if (name == "--brief")
            {
                isBrief = true;
                continue;
            }
            if (!_withValue.Contains(name))
                throw new ArgumentException($"There is no option '{name}'.");
            if (i + 1 == arguments.Length || arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
                throw new ArgumentException($"{name} needs a value.");
            if (!values.TryAdd(name, arguments[++i]))
                throw new ArgumentException($"{name} is there twice.");
        }
        var device = values.GetValueOrDefault("--device", "cuda:0");
        if (device is not ("cpu" or "cuda:0"))
            throw new ArgumentException($"--device {device}: it is cuda:0 or cpu.");
        string[] chosen = [.. values.GetValueOrDefault("--parts", Standard).Split(',').Select(part => part.Trim())];
        if (chosen.FirstOrDefault(part => !parts.Contains(part)) is { } unknown)
            throw new ArgumentException($"--parts: there is no part '{unknown}'; there are {string.Join(',', parts)}.");
        var network = values.GetValueOrDefault("--network", "hdrq:fog");
        if (network.Split(':') is not [var method, var domain]
            || !Experiment.Methods.Contains(method) || !Experiment.Domains.Contains(domain))
        {
            throw new ArgumentException(
                $"--network {network}: it is one of {string.Join(", ", Experiment.Methods)}, a colon, and one of "
                + $"{string.Join(", ", Experiment.Domains)}.");
        }
        var given = new CommandLine(
            device, chosen, values.GetValueOrDefault("--output"), values.GetValueOrDefault("--data", ""), method, domain,
            Number("--steps", 1000), Number("--patience", device == "cpu" ? 5 : 1), isBrief);
        if (chosen.Any(part => part is "q" or "m"))
            Experiment.Check(given);
        if (File.Exists(given.Output))
            throw new ArgumentException($"--output {given.Output}: that file is there already.");
        return given;

        int Number(string name, int standard) =>
            !values.TryGetValue(name, out var text) ? standard
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number
            : throw new ArgumentException($"{name} {text}: it is a number from 1.");
    }

    /// <summary>Why nothing can be computed on the device; null if nothing is known to be in the way.</summary>
    public string? Obstacle()
    {
        try
        {
            TorchRuntime.ResolveDevice(Device == "cpu" ? null : 0, fallbackToCpu: false);
            return null;
        }
        catch (TorchUnavailableException e)
        {
            return $"{e.Message} ({e.InnerException?.Message.Split('\n')[0]}) run.sh looks in the folders of LIBTORCH, or "
                + "else in those of the PyTorch that python3 finds.";
        }
        catch (InvalidOperationException e)
        {
            return $"{e.Message} Here that is --device cpu.";
        }
    }

    /// <summary>The libtorch that is used, and the device.</summary>
    public string Libtorch() => Device == "cpu"
        ? $"libtorch on the CPU, {torch.get_num_threads()} threads"
        : $"libtorch on {torch.cuda.device_count()} GPU(s), the first of {CudaMemory.TotalBytes() / (1 << 30)} GB";
}

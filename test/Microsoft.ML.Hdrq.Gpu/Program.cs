using System.Globalization;
using Microsoft.ML.Hdrq.Gpu;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

// Proves the library on a GPU, against the CPU: hdrq-gpu [--device cuda:0|cpu] [--parts a,b,...] [--output results.json]
// [--data folder] [--network method:domain] [--steps n] [--brief]. Exit codes: 0 all checks passed, 1 one failed, 2
// wrong arguments.
(string Name, string What, int Seconds, Action<Setting> Run)[] parts =
[
    ("a", "libtorch", 60, Basics.Run),
    ("b", "operators against the CPU", 120, Operators.Run),
    ("c", "quantizers against the paper's code and host memory", 60, Kernels.Run),
    ("d", "methods against the CPU", 120, Methods.Run),
    ("e", "adapting", 60, Adapting.Run),
    ("f", "Gram matrices", 60, Grams.Run),
    ("g", "memory", 90, Memory.Run),
    ("h", "speed", 180, Speed.Run),
    ("i", "choice of the device", 60, Devices.Run),
    ("w", "whole networks", 200, Whole.Run),
    ("q", "CIFAR-10 in the paper's length: one network", 600, Experiment.Quantize),
    ("m", "CIFAR-10 in the paper's length: merges", 120, Experiment.Merge),
];

string Option(string name, string otherwise) =>
    Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : otherwise;

var device = Option("--device", "cuda:0");
var chosen = Option("--parts", "a,b,c,d,e,f,g,h,i,w").Split(',');
var data = Option("--data", "");
if (device is not ("cpu" or "cuda:0") || chosen.Except(parts.Select(part => part.Name)).Any())
{
    Console.Error.WriteLine(
        "hdrq-gpu [--device cuda:0|cpu] [--parts a,b,...] [--output results.json] [--data folder] [--network method:domain] [--steps n] [--brief]");
    return 2;
}

using var log = new Log(Option("--output", "") is { Length: > 0 } path ? path : null);
foreach (var (name, what, seconds, run) in parts.Where(part => chosen.Contains(part.Name)))
{
    log.Begin($"{name} {what}");
    using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
    try
    {
        TorchRuntime.EnsureLoaded();
        using var scope = torch.NewDisposeScope();
        using var modes = new TorchModes();
        run(new Setting(
            torch.device(device), args.Contains("--brief"), data, Option("--network", "hdrq:fog"),
            int.Parse(Option("--steps", "1000"), CultureInfo.InvariantCulture), log, limit.Token));
    }
    catch (OperationCanceledException)
    {
        log.Check("time", passed: false, $"not finished in {seconds} s");
    }
    catch (Exception e)
    {
        log.Check("part", passed: false, e.ToString());
    }
}
log.Begin("all");
log.Check("checks", log.Failures == 0, $"{log.Checks - log.Failures} of {log.Checks} passed");
return log.Failures == 0 ? 0 : 1;

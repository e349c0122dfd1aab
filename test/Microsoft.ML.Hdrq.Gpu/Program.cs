using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Gpu;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

// Proves the library on a GPU, against the CPU. Exit codes: 0 all checks passed, 1 one failed, 2 wrong arguments.
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

if (args is ["--help"])
{
    Console.WriteLine(CommandLine.Usage);
    return 0;
}
CommandLine given;
Log log;
try
{
    given = CommandLine.Parse(args, [.. parts.Select(part => part.Name)]);
    log = new Log(given.Output);
}
catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"{e.Message} hdrq-gpu --help says what there is.");
    return 2;
}
using var closing = log;
log.Begin("all");
if (given.Obstacle() is { } obstacle)
{
    log.Check("device", passed: false, obstacle);
    return 1;
}
log.Fact("arguments", string.Join(' ', args));
log.Fact("machine", string.Create(CultureInfo.InvariantCulture,
    $"{DateTime.UtcNow:u}, {RuntimeInformation.OSDescription}, {Environment.ProcessorCount} cores, {given.Libtorch()}"));
foreach (var (name, what, seconds, run) in parts.Where(part => given.Parts.Contains(part.Name)))
{
    log.Begin($"{name} {what}");
    var allowed = seconds * given.Patience;
    using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(allowed));
    try
    {
        using var scope = torch.NewDisposeScope();
        using var modes = new TorchModes();
        run(new Setting(
            torch.device(given.Device), given.IsBrief, given.Data, given.Method, given.Domain, given.Steps, log,
            limit.Token));
    }
    catch (OperationCanceledException)
    {
        log.Check("time", passed: false,
            $"not finished in {allowed} s: --patience {2 * given.Patience} gives it twice as long");
    }
    catch (Exception e)
    {
        log.Check("part", passed: false, e.ToString());
    }
}
log.Begin("all");
if (log.Checks == 0)
    log.Say("these parts only measure: nothing was checked");
else
    log.Check("checks", log.Failures == 0, $"{log.Checks - log.Failures} of {log.Checks} passed");
return log.Failures == 0 ? 0 : 1;

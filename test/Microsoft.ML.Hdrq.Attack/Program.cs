using System.Globalization;
using Microsoft.ML.Hdrq.Attack;

// Attacks the library as damaged files, kills, full disks and impatient applications do:
// hdrq-attack [--parts mutants,kills,disk,leaks,disposal] [--seed n] [--minutes n] [--mutants n] [--corpus folder]
// [--kills n] [--repetitions n] [--races n] [--output folder]. Exit codes: 0 all checks passed, 1 one failed, 2 wrong
// arguments.
string Option(string name, string otherwise) =>
    Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : otherwise;

double Number(string name, double otherwise) =>
    double.Parse(Option(name, otherwise.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);

var seed = (int)Number("--seed", 1);
var corpus = Option("--corpus", "");
if (args is ["worker", ..])
{
    new Mutants(corpus, seed).Run((long)Number("--first", 0), (long)Number("--end", 0));
    return 0;
}
if (args is ["race", ..])
{
    Disposal.Race(Option("--engine", ""), seed);
    return 0;
}

var output = Path.GetFullPath(Option("--output", "attack"));
(string Name, Action<Log> Run)[] parts =
[
    ("mutants", log => new Watch(MakeCorpus(), output, seed, log)
        .Run(TimeSpan.FromMinutes(Number("--minutes", 2)), (long)Number("--mutants", long.MaxValue))),
    ("kills", log => Kills.Run(output, seed, (int)Number("--kills", 5), log)),
    ("disk", log => FullDisk.Run(output, log)),
    ("leaks", log => Leaks.Run(output, (int)Number("--repetitions", 12), log)),
    ("disposal", log => Disposal.Run(seed, (int)Number("--races", 5), log)),
];
var chosen = Option("--parts", string.Join(',', parts.Select(part => part.Name))).Split(',');
if (chosen.Except(parts.Select(part => part.Name)).FirstOrDefault() is { } unknown)
{
    var names = string.Join(", ", parts.Select(part => part.Name));
    Console.Error.WriteLine($"'{unknown}' is not a part; the parts are {names}.");
    return 2;
}
Directory.CreateDirectory(output);
using var log = new Log(Path.Combine(output, "results.json"));
foreach (var (name, run) in parts.Where(part => chosen.Contains(part.Name)))
{
    log.Begin(name);
    run(log);
}
log.Begin("all");
log.Check("checks", log.Failures == 0, $"{log.Checks - log.Failures} of {log.Checks} passed");
return log.Failures == 0 ? 0 : 1;

string MakeCorpus()
{
    var made = Path.Combine(output, "corpus");
    Corpus.Write(made);
    if (corpus.Length > 0)
    {
        foreach (var file in Directory.GetFiles(corpus, "*.onnx"))
            File.Copy(file, Path.Combine(made, Path.GetFileName(file)), overwrite: true);
    }
    return made;
}

using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>
/// Runs <see cref="Mutants"/> in child processes: one that dies, takes more than ten seconds for one thing that is done
/// with a mutant, or too much memory, is ended, the mutant is kept as a file, and another process goes on behind it.
/// </summary>
internal sealed class Watch(string corpus, string output, int seed, Log log)
{
    /// <summary>What one process may take, with about 0.4 GiB of libraries.</summary>
    private const long MemoryLimit = 4L << 30;

    /// <summary>Also to begin: loading libtorch on a busy machine takes some of it.</summary>
    private static readonly TimeSpan _timeLimit = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan _startLimit = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, long> _outcomes = new(StringComparer.Ordinal);
    private long _largest;
    private TimeSpan _longest;

    /// <summary>Tries mutants until the time is over.</summary>
    /// <param name="duration">The time.</param>
    /// <param name="most">The number of mutants after which it ends before.</param>
    public void Run(TimeSpan duration, long most)
    {
        var watch = Stopwatch.StartNew();
        var next = 0L;
        while (watch.Elapsed < duration && next < most)
            next = RunOne(next, most, duration - watch.Elapsed);
        log.Number("mutants", next, "");
        foreach (var (outcome, count) in _outcomes.OrderByDescending(pair => pair.Value))
            log.Number(outcome, count, "mutants");
        log.Number("longest", _longest.TotalSeconds, "s");
        log.Number("largest process", _largest / 1048576.0, "MiB");
        foreach (var wrong in new[] { "death", "hang", "memory", "unexpected exception" })
            log.Check(wrong, Count(wrong) == 0, string.Create(CultureInfo.InvariantCulture, $"{Count(wrong)}"));
        // Damage that is always refused, or never, would show little.
        log.Check("reach", Count("refused") > 0 && Count("used") > 0, "mutants are refused and used");
    }

    private long Count(string outcome) => _outcomes.GetValueOrDefault(outcome);

    /// <summary>One process; gives the number of the mutant behind its last.</summary>
    private long RunOne(long first, long end, TimeSpan left)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [
            "worker", "--corpus", corpus,
            "--seed", seed.ToString(CultureInfo.InvariantCulture),
            "--first", first.ToString(CultureInfo.InvariantCulture),
            "--end", end.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var (gate, whole) = (new Lock(), Stopwatch.StartNew());
        var (current, begun, error) = (first - 1, Stopwatch.StartNew(), "");
        var isAt = false;
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Split(' ', 3) is not [var what, var number, ..] words)
                return;
            lock (gate)
            {
                current = long.Parse(number, CultureInfo.InvariantCulture);
                if (isAt && begun.Elapsed > _longest)
                    _longest = begun.Elapsed;
                if (what == "end")
                    Record(current, words[2]);
                isAt = what != "end";
                begun.Restart();
            }
        };
        process.ErrorDataReceived += (_, line) =>
        {
            lock (gate)
                error = error.Length < 10_000 ? $"{error}{line.Data}\n" : error;
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        string? ended = null;
        while (!process.WaitForExit(50))
        {
            process.Refresh();
            var memory = process.HasExited ? 0 : process.WorkingSet64;
            lock (gate)
            {
                _largest = Math.Max(_largest, memory);
                ended = memory > MemoryLimit ? "memory"
                    : begun.Elapsed > (current < first ? _startLimit : _timeLimit) ? "hang"
                    : whole.Elapsed > left ? "time is over"
                    : null;
            }
            if (ended is null)
                continue;
            process.Kill(entireProcessTree: true);
            break;
        }
        process.WaitForExit();
        lock (gate)
        {
            if (!isAt || ended == "time is over")
                return current + 1;
            Record(current, ended ?? $"death by exit code {process.ExitCode}: {error.Trim()}");
            return current + 1;
        }
    }

    private void Record(long index, string outcome)
    {
        var kind = outcome.StartsWith("unexpected", StringComparison.Ordinal) ? "unexpected exception"
            : outcome.Split(' ')[0];
        _outcomes[kind] = Count(kind) + 1;
        if (kind is "used" or "refused")
            return;
        var (name, bytes) = new Mutants(corpus, seed).Make(index);
        var file = Path.Combine(output, $"mutant-{seed}-{index}-{name}");
        File.WriteAllBytes(file, bytes);
        log.Say($"mutant {index} of {name}: {outcome}\n        kept as {file}");
    }
}

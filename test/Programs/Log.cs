using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.Hdrq.Tests.Programs;

/// <summary>
/// Says line by line what happens, before and after it happens, and writes every result as a line of JSON at once: if the
/// process dies, both show where.
/// </summary>
internal sealed class Log : IDisposable
{
    private StreamWriter? _file;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private string _part = "";

    public Log(string? path)
    {
        if (path is not null)
            _file = new StreamWriter(path) { AutoFlush = true };
    }

    /// <summary>The number of checks that failed.</summary>
    public int Failures { get; private set; }

    /// <summary>The number of checks.</summary>
    public int Checks { get; private set; }

    /// <summary>Begins a part.</summary>
    public void Begin(string part)
    {
        _part = part;
        Say("begins");
    }

    /// <summary>Says something that is not a result.</summary>
    public void Say(string text) =>
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{_watch.Elapsed.TotalSeconds,7:F1} [{_part}] {text}"));

    /// <summary>Reports a check.</summary>
    /// <param name="name">What is checked.</param>
    /// <param name="passed">Whether it passed.</param>
    /// <param name="detail">The numbers.</param>
    /// <param name="isQuiet">Whether a check that passed is written to the file only.</param>
    public void Check(string name, bool passed, string detail, bool isQuiet = false)
    {
        Checks++;
        Failures += passed ? 0 : 1;
        if (!passed || !isQuiet)
            Say($"{(passed ? "ok  " : "FAIL")} {name}: {detail}");
        Write(new { part = _part, name, passed, detail });
    }

    /// <summary>Reports what the results belong to.</summary>
    public void Fact(string name, string detail)
    {
        Say($"{name}: {detail}");
        Write(new { part = _part, name, detail });
    }

    /// <summary>Reports a number that is not checked.</summary>
    public void Number(string name, double value, string unit)
    {
        Say(string.Create(CultureInfo.InvariantCulture, $"     {name}: {value:G5} {unit}"));
        Write(new { part = _part, name, value, unit });
    }

    public void Dispose() => _file?.Dispose();

    private void Write(object line)
    {
        try
        {
            _file?.WriteLine(JsonSerializer.Serialize(line));
        }
        catch (IOException e)
        {
            // What is still to come is said, but no longer written.
            _file = null;
            Failures++;
            Say($"FAIL results cannot be written any longer: {e.Message}");
        }
    }
}

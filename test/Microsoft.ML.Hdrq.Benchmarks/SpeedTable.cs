using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// What benchmarks measure: a line for people as it comes, and a row of a CSV file with the machine and how busy it was.
/// </summary>
internal sealed class SpeedTable : IDisposable
{
    private readonly TextWriter _lines;
    private readonly StreamWriter? _file;
    private readonly string _machine = Machine();

    private SpeedTable(TextWriter lines, string? path)
    {
        (_lines, _file) = (lines, path is null ? null : new StreamWriter(path));
        _file?.WriteLine("benchmark,case,what,value,unit,ratio,to,machine,load");
        _lines.WriteLine($"Machine: {_machine}");
    }

    /// <summary>Has figures measured and written.</summary>
    /// <param name="lines">Where lines go.</param>
    /// <param name="path">
    /// The CSV file, replaced when all is done; until then rows are in a file beside it. Null for none.
    /// </param>
    /// <param name="measure">Measures them.</param>
    public static void Write(TextWriter lines, string? path, Action<SpeedTable> measure)
    {
        var unfinished = path is null ? null : $"{path}.unfinished";
        using (var table = new SpeedTable(lines, unfinished))
            measure(table);
        if (path is not null)
            File.Move(unfinished!, path, overwrite: true);
    }

    /// <summary>Adds a figure.</summary>
    /// <param name="benchmark">The benchmark.</param>
    /// <param name="where">What it was measured on.</param>
    /// <param name="what">What was measured.</param>
    /// <param name="value">The figure: a median where it is a time.</param>
    /// <param name="unit">Its unit.</param>
    /// <param name="ratio">The figure as a ratio to another, measured in turns with it; null for none.</param>
    /// <param name="to">What the ratio is to.</param>
    public void Add(
        string benchmark, string where, string what, double value, string unit, double? ratio = null, string to = "")
    {
        _lines.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{benchmark}, {where}, {what}: {value:G4} {unit}{(ratio is null ? "" : $", {ratio:F2} {to}")}"));
        _lines.Flush();
        _file?.WriteLine(string.Join(',', new[]
        {
            benchmark, where, what, Number(value), unit, ratio is { } number ? Number(number) : "", to, _machine,
            Number(Load()),
        }.Select(Field)));
        _file?.Flush();
    }

    /// <summary>Takes over the rows that another process wrote, which has said them itself.</summary>
    /// <param name="path">Its CSV file.</param>
    public void Take(string path)
    {
        foreach (var row in File.ReadLines(path).Skip(1))
            _file?.WriteLine(row);
        _file?.Flush();
    }

    public void Dispose() => _file?.Dispose();

    private static string Field(string text) => text.Contains(',') ? $"\"{text}\"" : text;

    private static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    /// <summary>
    /// The processes that ran or waited in the last minute, this one among them; NaN elsewhere than on Linux.
    /// </summary>
    private static double Load() => OperatingSystem.IsLinux()
        ? double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture)
        : double.NaN;

    /// <summary>Cores, the processor's name where the system tells it, and what integers need of it.</summary>
    private static string Machine()
    {
        var name = OperatingSystem.IsLinux()
            ? File.ReadLines("/proc/cpuinfo")
                .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : null;
        List<string> parts = [$"{Environment.ProcessorCount} cores",
            name ?? RuntimeInformation.ProcessArchitecture.ToString()];
        if (Avx512BW.IsSupported)
            parts.Add("AVX-512");
        else if (Avx2.IsSupported)
            parts.Add("AVX2");
        parts.Add(SignedKernels.AreExact ? "VNNI" : "no VNNI");
        return string.Join(' ', parts);
    }
}

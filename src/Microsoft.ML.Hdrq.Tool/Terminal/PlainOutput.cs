using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>Plain lines, for logs: one when a piece of work ends, and one now and then while it lasts.</summary>
/// <param name="writer">Where lines go.</param>
/// <param name="errors">Where warnings and errors go.</param>
internal sealed class PlainOutput(TextWriter writer, TextWriter errors) : Output
{
    /// <summary>A long piece of work says how far it is this often.</summary>
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();

    public override T WithProgress<T>(Func<ProgressBoard, T> work) => work(new Board(this));

    public override void Say(string line) => Write(writer, TextTable.Printable(line));

    public override void Warn(string line) => Write(errors, $"Warning: {TextTable.Printable(line)}");

    public override void Show(TextTable table)
    {
        Write(writer, "");
        foreach (var line in table.Fit(null))
            Write(writer, line.ToString());
    }

    public override void Event(string name, Func<JsonObject> data)
    {
    }

    public override void End(int exitCode, string? message)
    {
        if (message is not null)
            Write(errors, TextTable.Printable(message));
    }

    /// <summary>A time for people: 0.4 s, 12 s, 3 min 05 s, 2 h 07 min.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 9.95 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        { TotalHours: < 1 } =>
            string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes} min {time.Seconds:00} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes:00} min"),
    };

    private void Write(TextWriter target, string line)
    {
        lock (_lock)
        {
            target.WriteLine(line);
            target.Flush();
        }
    }

    private sealed class Board(PlainOutput output) : ProgressBoard
    {
        public override Bar Add(string text) => new LineBar(output, text);
    }

    private sealed class LineBar(PlainOutput output, string text) : ProgressBoard.Bar
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private TimeSpan _said;

        public override void Show(double done, string? remark)
        {
            var elapsed = Stopwatch.GetElapsedTime(_start);
            if (elapsed - _said < _interval)
                return;
            _said = elapsed;
            output.Say(string.Create(CultureInfo.InvariantCulture,
                $"{text}: {Math.Floor(100 * done):0} %{(remark is null ? "" : $", {remark}")}, after "
                    + $"{Duration(elapsed)}"));
        }

        public override void Complete() => output.Say($"{text}: done in {Duration(Stopwatch.GetElapsedTime(_start))}");
    }
}

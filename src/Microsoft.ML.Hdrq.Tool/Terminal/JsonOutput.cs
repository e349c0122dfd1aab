using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>Events and results, one JSON object a line, for programs. Each has <c>event</c> and <c>time</c>.</summary>
/// <param name="writer">Where lines go.</param>
/// <param name="time">Tells the time.</param>
internal sealed class JsonOutput(TextWriter writer, TimeProvider time) : Output
{
    /// <summary>Of each piece of work at most one event in this time, but for its end.</summary>
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(1);

    private static readonly JsonSerializerOptions _options =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _lock = new();

    public override T WithProgress<T>(Func<ProgressBoard, T> work) => work(new Board(this));

    public override void Say(string line) => Event("message", () => new() { ["text"] = line });

    public override void Warn(string line) => Event("warning", () => new() { ["text"] = line });

    public override void Show(TextTable table)
    {
        // What tables show, events have with all digits.
    }

    public override void Event(string name, Func<JsonObject> data)
    {
        var line = new JsonObject
        {
            ["event"] = name,
            ["time"] = time.GetUtcNow()
            .ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture)
        };
        foreach (var (key, value) in data().ToList())
            line[key] = value?.DeepClone();
        lock (_lock)
        {
            writer.WriteLine(line.ToJsonString(_options));
            writer.Flush();
        }
    }

    public override void End(int exitCode, string? message) => Event("end", () =>
    {
        var end = new JsonObject { ["exitCode"] = exitCode };
        if (message is not null)
            end["message"] = message;
        return end;
    });

    private sealed class Board(JsonOutput output) : ProgressBoard
    {
        public override Bar Add(string text)
        {
            output.Event("started", () => new() { ["work"] = text });
            return new EventBar(output, text);
        }
    }

    private sealed class EventBar(JsonOutput output, string text) : ProgressBoard.Bar
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private long _said = Stopwatch.GetTimestamp();

        public override void Show(double done, string? remark)
        {
            if (Stopwatch.GetElapsedTime(_said) < _interval)
                return;
            _said = Stopwatch.GetTimestamp();
            output.Event(
                "progress", () => new() { ["work"] = text, ["done"] = Math.Round(done, 4), ["remark"] = remark });
        }

        public override void Complete() =>
            output.Event(
                "finished", () =>
                    new()
                    {
                        ["work"] = text,
                        ["seconds"] = Math.Round(Stopwatch.GetElapsedTime(_start).TotalSeconds, 1)
                    });
    }
}

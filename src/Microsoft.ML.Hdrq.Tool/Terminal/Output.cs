using System.Text.Json.Nodes;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What a command tells whoever started it: a person at a terminal, a log, or a scheduler.</summary>
internal abstract class Output
{
    /// <summary>Does work that shows how far it is.</summary>
    public abstract T WithProgress<T>(Func<ProgressBoard, T> work);

    /// <summary>A sentence for people.</summary>
    /// <param name="line">Plain text.</param>
    public abstract void Say(string line);

    /// <summary>A sentence about something that the user should know and may not expect.</summary>
    public abstract void Warn(string line);

    /// <summary>A table for people.</summary>
    public abstract void Show(TextTable table);

    /// <summary>Something that happened, or a result, for programs.</summary>
    /// <param name="name">What it is.</param>
    /// <param name="data">Its fields; made only where they are written.</param>
    public abstract void Event(string name, Func<JsonObject> data);

    /// <summary>The end.</summary>
    /// <param name="exitCode">One of <see cref="ExitCode"/>.</param>
    /// <param name="message">Why; null where all is done.</param>
    public abstract void End(int exitCode, string? message);
}

using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>For a person at a terminal: bars that move, tables as wide as the window.</summary>
internal sealed class TerminalOutput(IAnsiConsole console) : Output
{
    public override T WithProgress<T>(Func<ProgressBoard, T> work) => console.Progress()
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 20 },
            new PercentageColumn(), new TimeColumn())
        .Start(progress => work(new Board(progress, console.Profile.Width)));

    public override void Say(string line)
    {
        foreach (var part in TextTable.Wrap(TextTable.Printable(line), console.Profile.Width))
            console.WriteLine(part);
    }

    public override void Warn(string line)
    {
        foreach (var part in TextTable.Wrap($"Warning: {TextTable.Printable(line)}", console.Profile.Width))
            console.MarkupLineInterpolated($"[yellow]{part}[/]");
    }

    public override void Show(TextTable table)
    {
        console.WriteLine();
        foreach (var line in table.Fit(console.Profile.Width))
        {
            foreach (var piece in line.Pieces)
                console.Write(
                    new Text(piece.Text, piece.IsStrong ? new Style(decoration: Decoration.Bold) : Style.Plain));
            console.WriteLine();
        }
    }

    public override void Event(string name, Func<JsonObject> data)
    {
    }

    public override void End(int exitCode, string? message)
    {
        if (message is null)
            return;
        foreach (var part in TextTable.Wrap(TextTable.Printable(message), console.Profile.Width))
            console.MarkupLineInterpolated(
                exitCode is ExitCode.Interrupted or ExitCode.Terminated ? (FormattableString)$"[yellow]{part}[/]"
                : $"[red]{part}[/]");
    }

    private sealed class Board(ProgressContext context, int width) : ProgressBoard
    {
        /// <summary>What the columns after the description take.</summary>
        private const int OtherColumns = 42;

        public override Bar Add(string text) => new TaskBar(context, text, Math.Max(16, width - OtherColumns));
    }

    private sealed class TaskBar : ProgressBoard.Bar
    {
        private readonly ProgressTask _task;
        private readonly string _text;
        private readonly int _width;

        public TaskBar(ProgressContext context, string text, int width)
        {
            (_text, _width) = (text, width);
            _task = context.AddTask(Description(null), maxValue: 1);
        }

        public override void Show(double done, string? remark)
        {
            _task.Value = done;
            _task.Description = Description(remark);
        }

        public override void Complete()
        {
            Show(1, null);
            _task.StopTask();
        }

        private string Description(string? remark) =>
            Markup.Escape(
                TextTable.Shorten(TextTable.Printable(remark is null ? _text : $"{_text}, {remark}"), _width));
    }

    /// <summary>The time that is left of what runs, and that was taken by what is finished.</summary>
    private sealed class TimeColumn : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            task.IsFinished ? new Text(PlainOutput.Duration(task.ElapsedTime ?? default))
            : task.RemainingTime is { } left ? new Text($"{PlainOutput.Duration(left)} left")
            : new Text("");
    }
}

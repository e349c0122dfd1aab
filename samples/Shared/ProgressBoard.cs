using Spectre.Console;

namespace Hdrq.Samples;

/// <summary>A bar for each piece of work.</summary>
internal sealed class ProgressBoard(ProgressContext context)
{
    /// <summary>Adds a bar.</summary>
    /// <param name="text">What is being done.</param>
    public Bar Add(string text) => new(context.AddTask(Markup.Escape(text), maxValue: 1), text);

    /// <summary>How far one piece of work is.</summary>
    public sealed class Bar(ProgressTask task, string text)
    {
        /// <summary>What moves the bar.</summary>
        /// <param name="state">The share that is done, and a remark or null.</param>
        public IProgress<T> Reports<T>(Func<T, (double Done, string? Remark)> state) => new Report<T>(value =>
        {
            var (done, remark) = state(value);
            Show(done, remark);
        });

        /// <summary>Says what is done now.</summary>
        public void Remark(string? remark) => task.Description = Markup.Escape(remark is null ? text : $"{text}, {remark}");

        /// <summary>Fills the bar.</summary>
        public void Complete()
        {
            Show(1, null);
            task.StopTask();
        }

        /// <summary>Moves the bar.</summary>
        /// <param name="done">The share that is done.</param>
        /// <param name="remark">A remark, or null.</param>
        public void Show(double done, string? remark)
        {
            task.Value = done;
            Remark(remark);
        }
    }

    /// <summary>Progress on the thread that reports it: <see cref="Progress{T}"/> would queue each report, out of order.</summary>
    private sealed class Report<T>(Action<T> action) : IProgress<T>
    {
        void IProgress<T>.Report(T value) => action(value);
    }
}

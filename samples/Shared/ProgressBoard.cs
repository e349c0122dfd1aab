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
        public IProgress<T> Reports<T>(Func<T, (double Done, string? Remark)> state) => new Report<T>(value => Show(state(value)));

        /// <summary>Says what is done now.</summary>
        public void Remark(string? remark) => task.Description = Markup.Escape(remark is null ? text : $"{text}, {remark}");

        /// <summary>Fills the bar.</summary>
        public void Complete()
        {
            Show((1, null));
            task.StopTask();
        }

        private void Show((double Done, string? Remark) state)
        {
            task.Value = state.Done;
            Remark(state.Remark);
        }
    }

    /// <summary>Progress on the thread that reports it: <see cref="Progress{T}"/> would queue each report, out of order.</summary>
    private sealed class Report<T>(Action<T> action) : IProgress<T>
    {
        void IProgress<T>.Report(T value) => action(value);
    }
}

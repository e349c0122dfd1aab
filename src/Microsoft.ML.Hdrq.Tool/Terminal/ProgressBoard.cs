namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>Where pieces of work show how far they are.</summary>
internal abstract class ProgressBoard
{
    /// <summary>Adds a piece of work.</summary>
    /// <param name="text">What is being done.</param>
    public abstract Bar Add(string text);

    /// <summary>How far one piece of work is.</summary>
    public abstract class Bar
    {
        /// <summary>What moves the bar.</summary>
        /// <param name="state">The share that is done, and a remark or null.</param>
        public IProgress<T> Reports<T>(Func<T, (double Done, string? Remark)> state) => new ProgressReport<T>(value =>
        {
            var (done, remark) = state(value);
            Show(done, remark);
        });

        /// <summary>Moves the bar.</summary>
        /// <param name="done">The share that is done, 0 to 1.</param>
        /// <param name="remark">What is done now or how well it goes; null for nothing to say.</param>
        public abstract void Show(double done, string? remark);

        /// <summary>Ends the piece of work.</summary>
        public abstract void Complete();
    }
}

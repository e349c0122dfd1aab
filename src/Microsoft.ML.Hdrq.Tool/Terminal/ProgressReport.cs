namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>
/// Progress on the thread that reports it: <see cref="Progress{T}"/> would queue each report, out of order.
/// </summary>
/// <param name="action">Told of each report.</param>
internal sealed class ProgressReport<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}

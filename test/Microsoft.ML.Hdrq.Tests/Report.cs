namespace Microsoft.ML.Hdrq.Tests;

/// <summary>Progress on the thread that reports it: <see cref="Progress{T}"/> would queue each report.</summary>
internal sealed class Report<T>(Action<T> action) : IProgress<T>
{
    void IProgress<T>.Report(T value) => action(value);
}

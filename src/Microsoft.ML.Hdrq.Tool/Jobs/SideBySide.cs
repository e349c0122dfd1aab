using System.Runtime.ExceptionServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// Work on networks that do not need each other: several at once, each on its share of the threads. A network leaves
/// cores idle where its layers are small, so that two on one thread each are made in 0.6 to 0.75 of the time that they
/// take one after the other on two.
/// </summary>
internal sealed class SideBySide
{
    /// <summary>What a network needs to be made, so that a machine with little memory does not run out of it.</summary>
    private const long MemoryForOne = 4L << 30;

    private readonly int? _threads;

    private SideBySide(int atOnce, int? threads) => (AtOnce, _threads) = (atOnce, threads);

    /// <summary>How many are made at once.</summary>
    public int AtOnce { get; }

    /// <summary>How many networks are made at once, and on how many threads each.</summary>
    /// <param name="options">
    /// What is asked for; where it says nothing, as many as there are cores, and one for each 4 GiB of memory, but one
    /// with a GPU or with a number of threads.
    /// </param>
    /// <param name="places">The places, of which each has a network.</param>
    public static SideBySide Of(JobOptions options, int places) =>
        Of(options, places, torch.get_num_threads(), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <inheritdoc cref="Of(JobOptions, int)"/>
    /// <param name="options">What is asked for.</param>
    /// <param name="places">The places.</param>
    /// <param name="cores">The threads that Torch takes by itself.</param>
    /// <param name="memory">The memory in bytes.</param>
    public static SideBySide Of(JobOptions options, int places, int cores, long memory)
    {
        var most = Math.Min(cores, (int)Math.Min(int.MaxValue, memory / MemoryForOne));
        var fitting = options is { GpuDeviceId: null, Threads: null } ? most : 1;
        var atOnce = Math.Max(1, Math.Min(places, options.AtOnce ?? fitting));
        return new(atOnce, options.Threads ?? (atOnce == 1 ? null : Math.Max(1, cores / atOnce)));
    }

    /// <summary>Does the work.</summary>
    /// <param name="pieces">The pieces; the first are begun first.</param>
    /// <param name="work">
    /// Does a piece, of which it is told the index; what it leaves behind is disposed if one fails.
    /// </param>
    /// <param name="cancellationToken">Ends all.</param>
    /// <returns>What the work gave, in the order of the pieces.</returns>
    /// <remarks>What fails first ends the others, and is thrown when they have ended.</remarks>
    public IReadOnlyList<TResult> Run<T, TResult>(
        IReadOnlyList<T> pieces, Func<T, int, CancellationToken, TResult> work, CancellationToken cancellationToken)
        where TResult : class, IDisposable
    {
        var results = new TResult?[pieces.Count];
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ExceptionDispatchInfo? failure = null;
        var begun = -1;
        var threads = torch.get_num_threads();
        if (Math.Min(AtOnce, pieces.Count) is > 1 and var workers)
        {
            var others = Enumerable.Range(0, workers).Select(_ => new Thread(Take)).ToList();
            others.ForEach(thread => thread.Start());
            others.ForEach(thread => thread.Join());
        }
        else
        {
            Take();
        }
        if (failure is not null)
        {
            foreach (var result in results)
                result?.Dispose();
            failure.Throw();
        }
        return results!;

        void Take()
        {
            using var own = new TorchThreads(_threads ?? threads);
            while (Interlocked.Increment(ref begun) is var i && i < pieces.Count)
            {
                try
                {
                    ending.Token.ThrowIfCancellationRequested();
                    results[i] = work(pieces[i], i, ending.Token);
                }
                catch (Exception exception)
                {
                    Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(exception), null);
                    ending.Cancel();
                }
            }
        }
    }
}

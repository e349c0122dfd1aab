namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Counts who uses native memory, so that it is not freed under another thread: what is running when the owner is
/// disposed ends in order, and the last one frees; what comes later is refused. A thread that uses the memory already may
/// begin another use within: that is part of what is running. Thread-safe.
/// </summary>
/// <param name="refusal">Makes the exception of what comes later.</param>
/// <param name="free">Frees the memory, once.</param>
internal sealed class UseCount(Func<ObjectDisposedException> refusal, Action free)
{
    /// <summary>What this thread uses, once for each use.</summary>
    [ThreadStatic]
    private static List<UseCount>? _held;

    private readonly Lock _lock = new();
    private int _users;
    private bool _closed;

    /// <summary>Begins to use the memory, until the result is disposed, by the same thread.</summary>
    /// <exception cref="ObjectDisposedException">The owner has been disposed.</exception>
    public Use Begin()
    {
        lock (_lock)
        {
            if (_closed && _held?.Contains(this) != true)
                throw refusal();
            _users++;
        }
        (_held ??= []).Add(this);
        return new Use(this);
    }

    /// <summary>Refuses all later use, and frees the memory as soon as nobody uses it. May be called again.</summary>
    public void Close()
    {
        lock (_lock)
        {
            if (_closed)
                return;
            _closed = true;
            if (_users > 0)
                return;
        }
        free();
    }

    private void End()
    {
        _held!.Remove(this);
        lock (_lock)
        {
            if (--_users > 0 || !_closed)
                return;
        }
        free();
    }

    /// <summary>One use; dispose it once.</summary>
    internal readonly struct Use(UseCount count) : IDisposable
    {
        /// <summary>Ends the use.</summary>
        public void Dispose() => count.End();
    }
}

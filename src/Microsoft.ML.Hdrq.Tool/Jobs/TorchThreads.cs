using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// The threads on which Torch computes for the calling thread, where steps say nothing else; as before when disposed.
/// </summary>
internal readonly struct TorchThreads : IDisposable
{
    // Torch's number is one of the thread, and one of the process, with which new threads begin.
    private readonly int _before;

    /// <summary>Sets the number.</summary>
    /// <param name="count">At least 1; null to change nothing.</param>
    public TorchThreads(int? count)
    {
        _before = torch.get_num_threads();
        torch.set_num_threads(count ?? _before);
    }

    public void Dispose() => torch.set_num_threads(_before);
}

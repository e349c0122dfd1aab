using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Custom passes over tensors in host memory, on as many threads as Torch uses. Their loops are compiled with all
/// optimizations from the start; otherwise the first hundred steps of a training would run ten times as slowly.
/// </summary>
internal static unsafe class HostMemory
{
    /// <summary>The number of values that a thread takes at a time.</summary>
    private const int PieceLength = 1 << 15;

    /// <summary>The maximum number of values in a span over bytes.</summary>
    private const long MaxValues = int.MaxValue / sizeof(float);

    /// <summary>
    /// Whether a tensor supports these passes: contiguous, in single precision, in host memory, not empty.
    /// </summary>
    public static bool Holds(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CPU
        && tensor.dtype == torch.ScalarType.Float32
        && tensor.is_contiguous()
        && tensor.numel() > 0;

    /// <summary>
    /// Gets a pointer to the memory of a contiguous tensor, which does not move as long as the tensor lives.
    /// </summary>
    public static T* Pointer<T>(torch.Tensor tensor) where T : unmanaged
    {
        if (tensor.numel() <= MaxValues)
            return (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));
        using var scope = torch.NewDisposeScope();
        return Pointer<T>(tensor.detach().view(-1).narrow(0, 0, 1));
    }

    /// <summary>Computes the number of pieces of <see cref="ForPieces"/>.</summary>
    public static long PieceCount(long count, long run) => count / run * PiecesPerRun(run);

    /// <summary>
    /// Divides values into pieces that do not cross the end of a run, independently of the number of threads, and calls
    /// an action with the start, the length and the zero-based index of each.
    /// </summary>
    public static void ForPieces(long count, long run, Action<long, int, long> action)
    {
        var perRun = PiecesPerRun(run);
        ForEach(PieceCount(count, run), count, piece =>
        {
            var start = piece % perRun * PieceLength;
            action(piece / perRun * run + start, (int)Math.Min(PieceLength, run - start), piece);
        });
    }

    /// <summary>
    /// Calls an action with each zero-based index below a count, on one thread if there are few values in total.
    /// </summary>
    public static void ForEach(long count, long values, Action<long> action)
    {
        var threads = values <= PieceLength ? 1 : torch.get_num_threads();
        if (threads > 1)
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, action);
            return;
        }
        for (long i = 0; i < count; i++)
            action(i);
    }

    private static long PiecesPerRun(long run) => (run + PieceLength - 1) / PieceLength;
}

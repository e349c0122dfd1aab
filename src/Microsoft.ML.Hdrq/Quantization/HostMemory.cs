using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Passes of our own over tensors in host memory, on as many threads as Torch computes on. Their loops are compiled with all optimizations at once: a training's first hundred steps
/// would else run in code ten times as slow.
/// </summary>
internal static unsafe class HostMemory
{
    /// <summary>What a thread takes at a time.</summary>
    private const int PieceLength = 1 << 15;

    /// <summary>What a span over bytes can hold.</summary>
    private const long MostValues = int.MaxValue / sizeof(float);

    /// <summary>Whether a tensor is one that passes can be made over: of single precision, one number after the other.</summary>
    public static bool Holds(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.dtype == torch.ScalarType.Float32 && tensor.is_contiguous() && tensor.numel() is > 0 and <= MostValues;

    /// <summary>The tensor's memory, which stays where it is as long as the tensor lives.</summary>
    public static T* Pointer<T>(torch.Tensor tensor) where T : unmanaged => (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));

    /// <summary>How many pieces <see cref="ForPieces"/> makes.</summary>
    public static long PieceCount(long count, long run) => count / run * PiecesPerRun(run);

    /// <summary>
    /// Divides numbers into pieces that do not reach beyond the end of a run, the same ones on any number of threads, and calls an action with the start, the length and
    /// the number of each.
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

    /// <summary>Calls an action with 0 to before a number, on one thread if there are few values in all.</summary>
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

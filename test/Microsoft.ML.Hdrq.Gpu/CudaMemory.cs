using System.Runtime.InteropServices;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>Asks the driver for the device's memory.</summary>
internal static unsafe class CudaMemory
{
    /// <summary>The bytes that are in use.</summary>
    public static long UsedBytes()
    {
        var (free, total) = Ask();
        return total - free;
    }

    /// <summary>All bytes.</summary>
    public static long TotalBytes() => Ask().Total;

    private static (long Free, long Total) Ask()
    {
        var library = NativeLibrary.Load("libcuda.so.1");
        var ask = (delegate* unmanaged<nuint*, nuint*, int>)NativeLibrary.GetExport(library, "cuMemGetInfo_v2");
        nuint free, total;
        var result = ask(&free, &total);
        return result == 0 ? ((long)free, (long)total) : throw new InvalidOperationException($"cuMemGetInfo: {result}");
    }
}

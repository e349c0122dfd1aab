using System.Runtime.InteropServices;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>What tensors have freed, and the C library keeps.</summary>
internal static partial class FreedMemory
{
    /// <summary>
    /// Gives it back to the system. The C library of Linux gives back large pieces at once only until one of their size
    /// was freed; afterwards it cuts them into smaller ones, between which little is ever free again: a merge of 32
    /// ResNet-50 took twice the memory that it needs.
    /// </summary>
    public static void Return()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library than GNU's, which has its own ways.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint pad);
}

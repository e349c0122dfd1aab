using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>ONNX Runtime's kernels for signed 8-bit weights.</summary>
internal static class SignedKernels
{
    private const int Avx512Vnni = 1 << 11;
    private const int AvxVnni = 1 << 4;

    /// <summary>
    /// Whether the kernels are exact on this CPU. They are on Arm, and on x86 where the runtime has VNNI kernels, which
    /// are also the fastest. The runtime's own option for exact sums (<c>session.x64quantprecision</c>) makes weights
    /// unsigned on all x86 CPUs, with or without VNNI.
    /// </summary>
    public static bool AreExact { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.Arm64 => true,
        // macOS enables AVX-512 for a program only when it uses it, so the runtime does not find it.
        Architecture.X64 => !OperatingSystem.IsMacOS() && HasVnni(),
        _ => false,
    };

    /// <summary>
    /// The same test as the runtime's (onnxruntime/core/mlas/lib/platform.cpp): with AVX-512 it uses no AVX-VNNI
    /// kernels.
    /// </summary>
    private static bool HasVnni()
    {
        if (!Avx2.IsSupported)
            return false;
        return Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported
            ? (X86Base.CpuId(7, 0).Ecx & Avx512Vnni) != 0
            : (X86Base.CpuId(7, 0).Ebx & (1 << 16)) == 0 && (X86Base.CpuId(7, 1).Eax & AvxVnni) != 0;
    }
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>ONNX Runtime's kernels for weights of signed bytes.</summary>
internal static class SignedKernels
{
    private const int Avx512Vnni = 1 << 11;
    private const int AvxVnni = 1 << 4;

    /// <summary>
    /// Whether they are exact on this CPU: on Arm, and on x86 where the runtime has kernels that use VNNI, which are also the fastest. Its own option for exact sums
    /// (<c>session.x64quantprecision</c>) makes weights unsigned on all x86 CPUs, with VNNI or without.
    /// </summary>
    public static bool AreExact { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.Arm64 => true,
        // macOS allows programs AVX-512 only when they use it, so that the runtime does not find it.
        Architecture.X64 => !OperatingSystem.IsMacOS() && HasVnni(),
        _ => false,
    };

    /// <summary>As the runtime asks (onnxruntime/core/mlas/lib/platform.cpp): with AVX-512 it takes no kernels of AVX-VNNI.</summary>
    private static bool HasVnni()
    {
        if (!Avx2.IsSupported)
            return false;
        return Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported
            ? (X86Base.CpuId(7, 0).Ecx & Avx512Vnni) != 0
            : (X86Base.CpuId(7, 0).Ebx & (1 << 16)) == 0 && (X86Base.CpuId(7, 1).Eax & AvxVnni) != 0;
    }
}

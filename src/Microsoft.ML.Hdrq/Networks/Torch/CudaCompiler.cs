using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>NVRTC, NVIDIA's run-time compiler, which is part of libtorch's packages for CUDA.</summary>
internal static unsafe class CudaCompiler
{
    private static readonly string[] _usual = OperatingSystem.IsWindows()
        ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
        : ["libnvrtc.so.13", "libnvrtc.so.12"];

    /// <summary>Compiles kernels for one architecture.</summary>
    /// <param name="source">The source, in CUDA C.</param>
    /// <param name="architecture">For example <c>sm_90</c>.</param>
    /// <returns>The binary that the driver loads.</returns>
    /// <exception cref="DllNotFoundException">There is no NVRTC.</exception>
    /// <exception cref="InvalidOperationException">NVRTC refuses the source; the message has its log.</exception>
    public static byte[] Compile(string source, string architecture)
    {
        // A library that is loaded already is found by NVRTC, whose packages do not name it as NVRTC asks for it.
        foreach (var builtins in Beside("nvrtc-builtins"))
            NativeLibrary.TryLoad(builtins, out _);
        Exception refused = new DllNotFoundException("NVRTC is not part of this application.");
        foreach (var candidate in Beside("nvrtc").Concat(_usual))
        {
            if (!NativeLibrary.TryLoad(candidate, out var library))
                continue;
            try
            {
                return Compile(library, source, architecture);
            }
            catch (Exception e) when (e is InvalidOperationException or EntryPointNotFoundException)
            {
                refused = e;
            }
        }
        throw refused;
    }

    private static byte[] Compile(nint library, string source, string architecture)
    {
        nint program;
        var create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)
            NativeLibrary.GetExport(library, "nvrtcCreateProgram");
        var compile = (delegate* unmanaged<nint, int, byte**, int>)
            NativeLibrary.GetExport(library, "nvrtcCompileProgram");
        var destroy = (delegate* unmanaged<nint*, int>)NativeLibrary.GetExport(library, "nvrtcDestroyProgram");
        fixed (byte* text = Text(source))
        fixed (byte* name = Text("hdrq.cu"))
        fixed (byte* target = Text($"--gpu-architecture={architecture}"))
        fixed (byte* separate = Text("--fmad=false"))
        {
            Check(create(&program, text, name, 0, null, null), "");
            try
            {
                var options = stackalloc byte*[] { target, separate };
                if (compile(program, 2, options) is not 0 and var error)
                {
                    var log = Output(library, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
                    Check(error, Encoding.UTF8.GetString(log));
                }
                return Output(library, program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN");
            }
            finally
            {
                destroy(&program);
            }
        }
    }

    private static byte[] Output(nint library, nint program, string sizeName, string name)
    {
        nuint size;
        var getSize = (delegate* unmanaged<nint, nuint*, int>)NativeLibrary.GetExport(library, sizeName);
        var get = (delegate* unmanaged<nint, byte*, int>)NativeLibrary.GetExport(library, name);
        Check(getSize(program, &size), "");
        var bytes = new byte[size];
        fixed (byte* buffer = bytes)
            Check(get(program, buffer), "");
        return bytes;
    }

    /// <summary>
    /// Finds files of a library beside the application. Packages name them differently, some with a hash of their
    /// content, so that the loader does not know them by their usual name; those of another build are left out.
    /// </summary>
    private static IEnumerable<string> Beside(string library) => TorchRuntime.NativeDirectories()
        .Where(Directory.Exists)
        .SelectMany(directory => Directory.EnumerateFiles(
            directory, OperatingSystem.IsWindows() ? $"{library}*.dll" : $"lib{library}*.so*"))
        .Where(path => !Path.GetFileName(path).Contains(".alt.", StringComparison.Ordinal)
            && Path.GetFileName(path).Contains("builtins", StringComparison.Ordinal)
                == library.EndsWith("builtins", StringComparison.Ordinal));

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static void Check(int result, string log)
    {
        if (result != 0)
            throw new InvalidOperationException($"NVRTC fails with error {result}. {log}".TrimEnd());
    }
}

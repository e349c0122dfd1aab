using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>NVRTC, NVIDIA's run-time compiler, which is part of libtorch's packages for CUDA.</summary>
internal static unsafe class CudaCompiler
{
    /// <summary>Compiles kernels for one architecture.</summary>
    /// <param name="source">The source, in CUDA C.</param>
    /// <param name="architecture">For example <c>sm_90</c>.</param>
    /// <returns>The binary that the driver loads.</returns>
    /// <exception cref="DllNotFoundException">There is no NVRTC.</exception>
    /// <exception cref="InvalidOperationException">NVRTC refuses the source; the message has its log.</exception>
    public static byte[] Compile(string source, string architecture)
    {
        var library = Load();
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
    /// Finds the library. Packages name it differently, some with a hash of its content, so that the loader does not know
    /// it by its usual name.
    /// </summary>
    private static nint Load()
    {
        string[] usual = OperatingSystem.IsWindows()
            ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
            : ["libnvrtc.so.13", "libnvrtc.so.12"];
        var listed = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        var beside = listed.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Where(Directory.Exists)
            .SelectMany(directory => Directory.EnumerateFiles(
                directory, OperatingSystem.IsWindows() ? "nvrtc64_*.dll" : "libnvrtc*.so*"))
            .Where(path => !Path.GetFileName(path).Contains("builtins", StringComparison.Ordinal));
        foreach (var candidate in beside.Concat(usual))
        {
            if (NativeLibrary.TryLoad(candidate, out var library))
                return library;
        }
        throw new DllNotFoundException("NVRTC is not part of this application.");
    }

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static void Check(int result, string log)
    {
        if (result != 0)
            throw new InvalidOperationException($"NVRTC fails with error {result}. {log}".TrimEnd());
    }
}

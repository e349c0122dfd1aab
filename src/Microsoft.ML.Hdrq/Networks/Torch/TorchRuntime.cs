using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Loads libtorch, and chooses the device. Everything that touches a tensor calls <see cref="EnsureLoaded"/> first.
/// </summary>
/// <remarks>
/// TorchSharp loads libtorch itself when it is first used. If that fails, it copies native libraries around, writes to
/// the console, and names a missing package whatever the cause was. Loading them before TorchSharp does avoids all
/// three.
/// </remarks>
internal static class TorchRuntime
{
    private const string Core = "torch_cpu";
    private const string Binding = "LibTorchSharp";

    // The binding's dependencies, in order: it finds them loaded, even where the packages are not in one directory.
    private static readonly string[] _dependencies = [Core, "torch"];
    private static readonly Lock _gate = new();
    private static volatile bool _loaded;

    /// <summary>
    /// OpenMP's threads sleep while they wait: spinning ones take the cores from threads that have work, which makes
    /// training ten times slower on a small or busy machine. On an idle machine, waking them costs small networks a
    /// fifth; <c>OMP_WAIT_POLICY=ACTIVE</c> avoids that.
    /// </summary>
    // libgomp reads it when it is loaded, which may be by the application's own first tensor.
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "libtorch may be loaded by the application.")]
    internal static void LetThreadsSleep() => NativeEnvironment.Default("OMP_WAIT_POLICY", "PASSIVE");

    /// <summary>
    /// Loads libtorch unless that has been done. Thread-safe; costs nothing after the first call. A failed call can be
    /// repeated.
    /// </summary>
    /// <exception cref="TorchUnavailableException">libtorch is missing, or the system's loader refuses it.</exception>
    public static void EnsureLoaded()
    {
        if (_loaded)
            return;

        lock (_gate)
        {
            if (_loaded)
                return;
            try
            {
                // A failure here shows again below, with its reason.
                foreach (var library in _dependencies)
                    NativeLibrary.TryLoad(library, typeof(torch).Assembly, searchPath: null, out _);
                NativeLibrary.Load(Binding, typeof(torch).Assembly, searchPath: null);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                throw Explain(e);
            }

            _loaded = true;
        }
    }

    /// <summary>
    /// The device for <see cref="MLContext.GpuDeviceId"/> and <see cref="MLContext.FallbackToCpu"/>, or options of the
    /// same meaning.
    /// </summary>
    /// <param name="gpuDeviceId">The zero-based number of a GPU; <see langword="null"/> for the CPU.</param>
    /// <param name="fallbackToCpu">Whether the CPU takes the place of a GPU that cannot be used.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="gpuDeviceId"/> is negative.</exception>
    /// <exception cref="InvalidOperationException">The GPU cannot be used and <paramref name="fallbackToCpu"/> is
    /// false.</exception>
    /// <exception cref="TorchUnavailableException">libtorch cannot be loaded.</exception>
    public static torch.Device ResolveDevice(int? gpuDeviceId, bool fallbackToCpu)
    {
        if (gpuDeviceId is < 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(gpuDeviceId), gpuDeviceId,
                "GpuDeviceId must be null (the CPU) or the zero-based number of a GPU.");
        }

        EnsureLoaded();
        if (gpuDeviceId is not { } id)
            return torch.CPU;

        var count = torch.cuda.is_available() ? torch.cuda.device_count() : 0;
        if (id < count)
            return torch.device(DeviceType.CUDA, id);
        if (fallbackToCpu)
            return torch.CPU;

        var cause = count > 0
            ? $"this machine has {count} usable GPU(s), numbered from 0"
            : Find("torch_cuda") is null
            ? "this application uses a libtorch for CPUs; "
                + "reference TorchSharp-cuda-linux or TorchSharp-cuda-windows "
                + "instead of the libtorch-cpu or TorchSharp-cpu package"
            : "libtorch finds no usable GPU; check the GPU and its driver";
        throw new InvalidOperationException(
            $"GpuDeviceId is {id}, but {cause}. "
            + "Set FallbackToCpu to use the CPU in such a case, or leave GpuDeviceId null.");
    }

    /// <summary>Whether a device copies from pinned host memory by itself, while the host goes on.</summary>
    public static bool Fetches(torch.Device device) => device.type == DeviceType.CUDA;

    private static TorchUnavailableException Explain(Exception cause)
    {
        var rid = OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";
        if ((Find(Core) is null ? Core : Find(Binding) is null ? Binding : null) is { } missing)
        {
            return new TorchUnavailableException(
                "libtorch is not part of this application: "
                + $"{FileName(missing)} is in none of its directories. "
                + "Reference one backend package in the application's project: "
                + $"libtorch-cpu-{rid} (or TorchSharp-cpu for all platforms) for the CPU, "
                + "TorchSharp-cuda-linux or TorchSharp-cuda-windows for GPUs. "
                + "If one is referenced, the application was built for another platform than "
                + $"this one ({RuntimeInformation.RuntimeIdentifier}): build it with -r {rid}.",
                cause);
        }

        var (refused, reason) = FirstRefused(cause);
        var remedy = reason switch
        {
            _ when reason.Contains("GLIBCXX_", StringComparison.Ordinal) =>
                "The system's libstdc++ is older than the one that the library was built with. "
                + "Build the application with -p:HdrqPatchLibTorchSharp=always, "
                + "or install the libstdc++ of GCC 13 or newer.",
            _ when reason.Contains("GLIBC_", StringComparison.Ordinal) =>
                "The system's C library is too old; use a newer release of the operating system.",
            _ when reason.Contains("libgomp", StringComparison.Ordinal) =>
                "OpenMP's libgomp is missing. The libtorch package brings it: rebuild the application; "
                + "a libtorch from elsewhere needs the system's package (libgomp1 on Debian and Ubuntu).",
            _ when OperatingSystem.IsWindows() =>
                "Install the Microsoft Visual C++ Redistributable (x64), "
                + "and check that all files of the libtorch package are beside the file.",
            _ =>
                "Check that all files of the libtorch package are beside the file, for this platform "
                + "and of the version that TorchSharp asks for.",
        };
        return new TorchUnavailableException($"The system's loader refuses {refused}: {reason}. {remedy}", cause);
    }

    /// <summary>
    /// Loads the files by path, because the message for a name mixes the reason with one line for each place where
    /// there is no such file.
    /// </summary>
    private static (string Path, string Reason) FirstRefused(Exception cause)
    {
        foreach (var path in _dependencies.Append(Binding).Select(Find).OfType<string>())
        {
            try
            {
                NativeLibrary.Load(path);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                var lines = e.Message.Split(
                    '\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
                return (path, lines[^1].TrimEnd('.'));
            }
        }

        return (Find(Binding)!, cause.Message);
    }

    /// <summary>
    /// The file of a native library in the directories where the runtime looks for this application's natives, or where
    /// the system looks.
    /// </summary>
    private static string? Find(string library) => NativeDirectories()
        .Concat((Environment.GetEnvironmentVariable("LD_LIBRARY_PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        .Select(directory => Path.Combine(directory, FileName(library)))
        .FirstOrDefault(File.Exists);

    /// <summary>The directories where the runtime looks for this application's natives.</summary>
    public static IEnumerable<string> NativeDirectories()
    {
        var listed = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return listed.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory);
    }

    private static string FileName(string library) =>
        OperatingSystem.IsWindows() ? library + ".dll"
        : OperatingSystem.IsMacOS() ? $"lib{library}.dylib"
        : $"lib{library}.so";
}

using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// The few functions of NVIDIA's driver that our own kernels need. It is there wherever libtorch finds a GPU.
/// </summary>
internal sealed unsafe class CudaDriver
{
    private const int ComputeCapabilityMajor = 75;
    private const int ComputeCapabilityMinor = 76;

    private static readonly Lazy<CudaDriver> _instance = new(() => new CudaDriver());

    private readonly nint _library;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>
        _launch;
    private readonly delegate* unmanaged<nint, int> _push;
    private readonly delegate* unmanaged<nint*, int> _pop;

    private CudaDriver()
    {
        _library = NativeLibrary.Load(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1");
        _launch = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)
            Export("cuLaunchKernel");
        _push = (delegate* unmanaged<nint, int>)Export("cuCtxPushCurrent_v2");
        _pop = (delegate* unmanaged<nint*, int>)Export("cuCtxPopCurrent_v2");
    }

    /// <exception cref="DllNotFoundException">There is no NVIDIA driver on this machine.</exception>
    public static CudaDriver Instance => _instance.Value;

    /// <summary>The context of a device that libtorch uses too.</summary>
    public nint PrimaryContext(int device)
    {
        nint context;
        var retain = (delegate* unmanaged<nint*, int, int>)Export("cuDevicePrimaryCtxRetain");
        Check(retain(&context, Handle(device)), "cuDevicePrimaryCtxRetain");
        return context;
    }

    /// <summary>The name of a device's architecture for the compiler, such as <c>sm_90</c>.</summary>
    public string Architecture(int device)
    {
        int major, minor;
        var attribute = (delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute");
        var handle = Handle(device);
        Check(attribute(&major, ComputeCapabilityMajor, handle), "cuDeviceGetAttribute");
        Check(attribute(&minor, ComputeCapabilityMinor, handle), "cuDeviceGetAttribute");
        return $"sm_{major}{minor}";
    }

    /// <summary>Loads compiled kernels into the current context.</summary>
    public nint LoadModule(byte[] image)
    {
        nint module;
        var load = (delegate* unmanaged<nint*, byte*, int>)Export("cuModuleLoadData");
        fixed (byte* bytes = image)
            Check(load(&module, bytes), "cuModuleLoadData");
        return module;
    }

    /// <summary>Finds a kernel.</summary>
    public nint Function(nint module, string name)
    {
        nint function;
        var find = (delegate* unmanaged<nint*, nint, byte*, int>)Export("cuModuleGetFunction");
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
            Check(find(&function, module, text), $"cuModuleGetFunction({name})");
        return function;
    }

    /// <summary>Makes a context this thread's current one.</summary>
    public void Push(nint context) => Check(_push(context), "cuCtxPushCurrent");

    /// <summary>Brings back the context from before <see cref="Push"/>.</summary>
    public void Pop()
    {
        nint context;
        Check(_pop(&context), "cuCtxPopCurrent");
    }

    /// <summary>Launches a kernel on the default stream, which libtorch uses unless it is told otherwise.</summary>
    public void Launch(nint function, uint blocks, uint threads, void** arguments) =>
        Check(_launch(function, blocks, 1, 1, threads, 1, 1, 0, 0, arguments, null), "cuLaunchKernel");

    private int Handle(int device)
    {
        int handle;
        var get = (delegate* unmanaged<int*, int, int>)Export("cuDeviceGet");
        Check(get(&handle, device), "cuDeviceGet");
        return handle;
    }

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);

    private static void Check(int result, string function)
    {
        if (result != 0)
            throw new InvalidOperationException($"The NVIDIA driver's {function} fails with error {result}.");
    }
}

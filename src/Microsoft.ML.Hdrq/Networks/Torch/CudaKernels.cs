using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Our own kernels for NVIDIA GPUs: compiled when they are first needed, by the NVRTC that comes with libtorch for
/// CUDA, and launched on the stream that libtorch uses. Where there is no NVRTC, tensor operations take their place,
/// which is slower.
/// </summary>
internal sealed unsafe class CudaKernels
{
    /// <summary>The number of threads in a block of ordinary kernels.</summary>
    public const uint Threads = 256;

    /// <summary>Enough blocks for any GPU; kernels loop over the rest.</summary>
    private const long MaxBlocks = 4096;

    private const string Source = "Reconstruction.cu";

    private static readonly Lock _gate = new();
    private static readonly Dictionary<int, CudaKernels?> _byDevice = [];

    private readonly CudaDriver _driver;
    private readonly nint _context;
    private readonly nint _module;
    private readonly Dictionary<string, nint> _functions = new(StringComparer.Ordinal);

    private CudaKernels(CudaDriver driver, int device)
    {
        _driver = driver;
        _context = driver.PrimaryContext(device);
        using var source = Assembly.GetExecutingAssembly().GetManifestResourceStream(Source)!;
        using var reader = new StreamReader(source);
        var image = CudaCompiler.Compile(reader.ReadToEnd(), driver.Architecture(device));
        driver.Push(_context);
        try
        {
            _module = driver.LoadModule(image);
        }
        finally
        {
            driver.Pop();
        }
    }

    /// <summary>Why there are no kernels for a GPU of this process; null if there are or nobody has asked.</summary>
    public static string? Obstacle { get; private set; }

    /// <summary>Gets the kernels for a tensor's device; null for other devices, and where they cannot be made.</summary>
    public static CudaKernels? For(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CUDA ? For(tensor.device_index) : null;

    /// <summary>Launches a kernel.</summary>
    /// <param name="name">Its name in the source.</param>
    /// <param name="blocks">The number of blocks; nothing happens if it is 0.</param>
    /// <param name="threads">The number of threads in a block.</param>
    /// <param name="arguments">Its arguments, of the types in the source.</param>
    /// <exception cref="InvalidOperationException">The driver refuses the launch.</exception>
    public void Launch(string name, long blocks, uint threads, params ReadOnlySpan<Argument> arguments) =>
        Launch(name, blocks, threads, [], arguments);

    /// <summary>Launches a kernel whose first argument is a structure of pointers.</summary>
    /// <inheritdoc cref="Launch(string, long, uint, ReadOnlySpan{Argument})"/>
    public void Launch(
        string name, long blocks, uint threads, ReadOnlySpan<nint> structure, ReadOnlySpan<Argument> arguments)
    {
        if (blocks == 0)
            return;
        var function = Function(name);
        var addresses = stackalloc void*[arguments.Length + 1];
        var count = 0;
        fixed (nint* first = structure)
        fixed (Argument* others = arguments)
        {
            if (!structure.IsEmpty)
                addresses[count++] = first;
            for (var i = 0; i < arguments.Length; i++)
                addresses[count++] = others + i;
            _driver.Push(_context);
            try
            {
                _driver.Launch(function, (uint)blocks, threads, addresses);
            }
            finally
            {
                _driver.Pop();
            }
        }
    }

    /// <summary>The number of blocks for a kernel that loops over elements.</summary>
    public static long BlocksFor(long elements) => Math.Min(MaxBlocks, (elements + Threads - 1) / Threads);

    /// <summary>The address of a tensor's first element, in the memory of its device.</summary>
    public static nint Address(torch.Tensor tensor) => TensorData(tensor.Handle);

    private static CudaKernels? For(int device)
    {
        lock (_gate)
        {
            if (_byDevice.TryGetValue(device, out var kernels))
                return kernels;
            try
            {
                kernels = new CudaKernels(CudaDriver.Instance, device);
            }
            catch (Exception e) when (e is InvalidOperationException or DllNotFoundException
                or EntryPointNotFoundException or IOException or UnauthorizedAccessException)
            {
                Obstacle = e.Message;
            }
            return _byDevice[device] = kernels;
        }
    }

    private nint Function(string name)
    {
        lock (_gate)
        {
            if (!_functions.TryGetValue(name, out var function))
                _functions.Add(name, function = _driver.Function(_module, name));
            return function;
        }
    }

    [DllImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory)]
    private static extern nint TensorData(nint tensor);

    /// <summary>An argument of a kernel: the bits of a number or an address, the low ones first.</summary>
    internal readonly struct Argument
    {
        private readonly ulong _bits;

        private Argument(ulong bits) => _bits = bits;

        public static implicit operator Argument(uint value) => new(value);

        public static implicit operator Argument(float value) => new(BitConverter.SingleToUInt32Bits(value));

        public static implicit operator Argument(torch.Tensor? tensor) =>
            new(tensor is null ? 0 : (ulong)Address(tensor));
    }
}

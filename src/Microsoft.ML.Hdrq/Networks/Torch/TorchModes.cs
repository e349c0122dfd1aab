using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Makes Torch compute as this library expects, whatever the application has set around its call: with gradients where
/// nobody turns them off, single precision by default, and no TF32 in its place unless it is asked for: with it, GPUs
/// round the numbers of convolutions to 10 bits; and, if asked for, with a number of threads. Disposing it restores what
/// was set.
/// </summary>
internal sealed class TorchModes : IDisposable
{
    private readonly IDisposable _inference;
    private readonly IDisposable _gradients;
    private readonly torch.ScalarType _type;
    private static readonly Lock _gate = new();

    /// <summary>How many calls are going on, and how many of those that are innermost on their thread refuse TF32.</summary>
    private static int _active, _refusing;

    private static bool _convolutionTf32, _productTf32;

    [ThreadStatic]
    private static TorchModes? _innermost;

    private readonly TorchModes? _outer;
    private readonly bool _allowTf32;
    private readonly int? _threads;

    /// <summary>Sets everything.</summary>
    /// <param name="allowTf32">Whether GPUs may use TF32.</param>
    /// <param name="threads">
    /// The number of threads, which belongs to the process in part: calls that go on at the same time need the same.
    /// Null for that of the application.
    /// </param>
    public TorchModes(bool allowTf32 = false, int? threads = null)
    {
        TorchRuntime.EnsureLoaded();
        _type = torch.get_default_dtype();
        // It belongs to the process and not to the thread, so it is left alone where it is right.
        if (_type != torch.ScalarType.Float32)
            torch.set_default_dtype(torch.ScalarType.Float32);
        if (threads is { } count && torch.get_num_threads() is var others && others != count)
        {
            _threads = others;
            torch.set_num_threads(count);
        }
        (_allowTf32, _outer) = (allowTf32, _innermost);
        _innermost = this;
        lock (_gate)
        {
            if (_active++ == 0)
                (_convolutionTf32, _productTf32) = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32);
            Count(1);
        }
        _inference = torch.inference_mode(false);
        _gradients = torch.enable_grad();
    }

    public void Dispose()
    {
        _gradients.Dispose();
        _inference.Dispose();
        if (_type != torch.ScalarType.Float32)
            torch.set_default_dtype(_type);
        if (_threads is { } threads)
            torch.set_num_threads(threads);
        _innermost = _outer;
        lock (_gate)
        {
            _active--;
            Count(-1);
        }
    }

    /// <summary>
    /// TF32 belongs to the process: it is on while all calls that go on at the same time allow it, and is as the
    /// application has set it when none does.
    /// </summary>
    private void Count(int change)
    {
        _refusing += (_allowTf32 ? 0 : change) - (_outer is { _allowTf32: false } ? change : 0);
        SetTf32(_active == 0 ? _convolutionTf32 : _refusing == 0, _active == 0 ? _productTf32 : _refusing == 0);
    }

    private static void SetTf32(bool convolutions, bool products)
    {
        if (torch.backends.cudnn.allow_tf32 != convolutions)
            torch.backends.cudnn.allow_tf32 = convolutions;
        if (torch.backends.cuda.matmul.allow_tf32 != products)
            torch.backends.cuda.matmul.allow_tf32 = products;
    }
}

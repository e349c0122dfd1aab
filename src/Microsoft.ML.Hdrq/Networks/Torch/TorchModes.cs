using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Makes Torch compute as this library expects, whatever the application has set around its call: with gradients where
/// nobody turns them off, and single precision by default. Disposing it restores what was set.
/// </summary>
internal sealed class TorchModes : IDisposable
{
    private readonly IDisposable _inference;
    private readonly IDisposable _gradients;
    private readonly torch.ScalarType _type;

    public TorchModes()
    {
        TorchRuntime.EnsureLoaded();
        _type = torch.get_default_dtype();
        // It belongs to the process and not to the thread, so it is left alone where it is right.
        if (_type != torch.ScalarType.Float32)
            torch.set_default_dtype(torch.ScalarType.Float32);
        _inference = torch.inference_mode(false);
        _gradients = torch.enable_grad();
    }

    public void Dispose()
    {
        _gradients.Dispose();
        _inference.Dispose();
        if (_type != torch.ScalarType.Float32)
            torch.set_default_dtype(_type);
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Makes Torch compute as this library expects, whatever the application has set around its call: with gradients where
/// nobody turns them off, single precision by default, and no TF32 in its place unless it is asked for: with it, GPUs
/// round the numbers of convolutions to 10 bits. Disposing it restores what was set.
/// </summary>
internal sealed class TorchModes : IDisposable
{
    private readonly IDisposable _inference;
    private readonly IDisposable _gradients;
    private readonly torch.ScalarType _type;
    private readonly bool _convolutionTf32;
    private readonly bool _productTf32;

    /// <summary>Sets everything.</summary>
    /// <param name="allowTf32">Whether GPUs may use TF32.</param>
    public TorchModes(bool allowTf32 = false)
    {
        TorchRuntime.EnsureLoaded();
        _type = torch.get_default_dtype();
        (_convolutionTf32, _productTf32) = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32);
        // These belong to the process and not to the thread, so they are left alone where they are right.
        if (_type != torch.ScalarType.Float32)
            torch.set_default_dtype(torch.ScalarType.Float32);
        SetTf32(allowTf32, allowTf32);
        _inference = torch.inference_mode(false);
        _gradients = torch.enable_grad();
    }

    public void Dispose()
    {
        _gradients.Dispose();
        _inference.Dispose();
        if (_type != torch.ScalarType.Float32)
            torch.set_default_dtype(_type);
        SetTf32(_convolutionTf32, _productTf32);
    }

    private static void SetTf32(bool convolutions, bool products)
    {
        if (torch.backends.cudnn.allow_tf32 != convolutions)
            torch.backends.cudnn.allow_tf32 = convolutions;
        if (torch.backends.cuda.matmul.allow_tf32 != products)
            torch.backends.cuda.matmul.allow_tf32 = products;
    }
}

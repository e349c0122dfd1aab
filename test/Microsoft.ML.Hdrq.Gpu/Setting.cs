using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>What a part works with.</summary>
/// <param name="Device">The device to prove.</param>
/// <param name="IsBrief">Whether sizes and numbers of steps are those for a CPU.</param>
/// <param name="Data">The folder of images and networks of the last parts.</param>
/// <param name="Method">The method that one of the last parts quantizes with.</param>
/// <param name="Domain">The domain whose network it quantizes.</param>
/// <param name="Steps">The number of steps a block there.</param>
/// <param name="Log">Where results go.</param>
/// <param name="Limit">Ends the part when its time is up.</param>
internal sealed record Setting(
    torch.Device Device, bool IsBrief, string Data, string Method, string Domain, int Steps, Log Log,
    CancellationToken Limit)
{
    /// <summary>Random numbers that are the same on every machine.</summary>
    public static torch.Tensor Random(int seed, params long[] shape)
    {
        using var generator = new torch.Generator((ulong)seed);
        return torch.randn(shape, generator: generator);
    }

    /// <summary>A residual network of 20 layers for 32 x 32 images, with random weights.</summary>
    public static Network ResNet20() => ResNet.Cifar(20, 10, seed: 1);

    /// <summary>Waits until the device has done what it was asked for.</summary>
    public void Synchronize()
    {
        if (Device.type == DeviceType.CUDA)
            torch.cuda.synchronize(Device);
    }

    /// <summary>The largest difference, relative to the largest number.</summary>
    public static double Difference(torch.Tensor expected, torch.Tensor actual)
    {
        using var scope = torch.NewDisposeScope();
        if (expected.numel() == 0)
            return 0;
        var (x, y) = (Double(expected), Double(actual));
        // Infinities and NaN have to be in the same places.
        var isFinite = x.isfinite();
        if (!isFinite.eq(y.isfinite()).all().item<bool>())
            return double.PositiveInfinity;
        (x, y) = (x.nan_to_num(0, 0, 0), y.nan_to_num(0, 0, 0));
        return x.sub(y).abs().max().item<double>() / Math.Max(1e-3, x.abs().max().item<double>());

        static torch.Tensor Double(torch.Tensor tensor) => tensor.detach().cpu().to(torch.ScalarType.Float64);
    }
}

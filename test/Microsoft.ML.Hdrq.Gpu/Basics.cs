using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>Whether libtorch works at all, and whether our own kernels can be made.</summary>
internal static class Basics
{
    public static void Run(Setting setting)
    {
        var (log, device) = (setting.Log, setting.Device);
        log.Say("addition");
        var sum = torch.ones(3, device: device).add(torch.ones(3, device: device), Scalars.One);
        log.Check("addition", sum.cpu().data<float>().ToArray() is [2, 2, 2], "1 + 1");
        log.Say("convolution");
        var (image, weight) = (Setting.Random(1, 2, 3, 8, 8), Setting.Random(2, 4, 3, 3, 3));
        var expected = torch.nn.functional.conv2d(image, weight);
        var (there, learned) = (image.to(device), weight.to(device).requires_grad_());
        var actual = torch.nn.functional.conv2d(there, learned);
        var difference = Setting.Difference(expected, actual);
        log.Check("convolution", difference < 1e-5, $"{difference:E1} from the CPU");
        log.Say("backward");
        actual.sum().backward();
        var onHost = weight.detach().requires_grad_();
        torch.nn.functional.conv2d(image, onHost).sum().backward();
        difference = Setting.Difference(onHost.grad!, learned.grad!);
        log.Check("backward", difference < 1e-5, $"{difference:E1} from the CPU");
        if (device.type != DeviceType.CUDA)
            return;
        log.Say("our own kernels");
        var kernels = CudaKernels.For(there);
        log.Check("kernels", kernels is not null, CudaKernels.Obstacle ?? "compiled and loaded");
        log.Say($"the device has {CudaMemory.TotalBytes() / (1 << 30)} GB");
    }
}

using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>Whole networks of the sizes that people have, quantized by HDRQ with few steps a block.</summary>
internal static class Whole
{
    public static void Run(Setting setting)
    {
        if (setting.IsBrief)
        {
            Quantize("ResNet-18 at 64", () => ResNet.ImageNet(18, 10, seed: 1, inputSize: 64), [4, 3, 64, 64], 1,
                [(true, false)], setting);
            return;
        }
        Quantize("ResNet-18 at 224, 256 images", () => ResNet.ImageNet(18, 1000, seed: 1), [256, 3, 224, 224], 100,
            [(true, false), (false, false), (true, true)], setting);
        Quantize("SegFormer-B1 at 512, 16 images", () => SegFormer.Create(1, 19, seed: 1), [16, 3, 512, 512], 20,
            [(true, false)], setting);
        Quantize("DeepLab-ResNet-101 at 512, 16 images", () => DeepLab.Create(101, 19, seed: 1), [16, 3, 512, 512], 20,
            [(true, false), (false, false)], setting);
    }

    private static void Quantize(string what, Func<Network> create, long[] shape, int steps,
        IReadOnlyList<(bool KeepOnDevice, bool AllowTf32)> choices, Setting setting)
    {
        setting.Limit.ThrowIfCancellationRequested();
        using var scope = torch.NewDisposeScope();
        using var network = create().To(setting.Device);
        var images = Setting.Random(9, shape);
        foreach (var (keepOnDevice, allowTf32) in choices)
        {
            var losses = new Losses();
            setting.Synchronize();
            var start = Stopwatch.GetTimestamp();
            using var quantized = NetworkQuantizer.Quantize(
                network, images,
                new HdrqOptions
                {
                    WeightBits = 4,
                    ActivationBits = 4,
                    Source = network,
                    Progress = losses,
                    Training = new() { Iterations = steps, BatchSize = 16 },
                    Calibration = new() { KeepOnDevice = keepOnDevice, CacheMemory = 32L << 30, AllowTf32 = allowTf32 },
                },
                seed: 1, setting.Limit);
            setting.Synchronize();
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var name = $"{what}, data {(keepOnDevice ? "on" : "off")} the device{(allowTf32 ? ", TF32" : "")}";
            setting.Log.Check(
                name, losses.Values.TrueForAll(double.IsFinite),
                $"{losses.Blocks.Distinct().Count()} blocks of {steps} steps, losses finite");
            setting.Log.Number(name, seconds, "s");
            if (setting.Device.type == DeviceType.CUDA)
                setting.Log.Number(name, CudaMemory.UsedBytes() / (double)(1 << 20), "MB in use");
        }
    }
}

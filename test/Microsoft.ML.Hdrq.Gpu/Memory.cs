using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>
/// Live tensors and the device's memory while a block is trained for many steps, with its data on the device and off it.
/// </summary>
internal static class Memory
{
    public static void Run(Setting setting)
    {
        var steps = setting.IsBrief ? 40 : 500;
        using var network = Setting.ResNet20();
        foreach (var keepOnDevice in new[] { true, false })
        {
            var images = Setting.Random(8, 64, 3, 32, 32);
            foreach (var (name, options) in new (string, QuantizationOptions)[]
            {
                ("HDRQ", new HdrqOptions { Training = new() { Iterations = steps } }),
                ("QDrop", new QDropOptions { Training = new() { Iterations = steps } }),
            })
            {
                setting.Limit.ThrowIfCancellationRequested();
                using var firstBlock = CancellationTokenSource.CreateLinkedTokenSource(setting.Limit);
                var watch = new Watch(setting, steps, firstBlock);
                using var here = network.To(setting.Device);
                try
                {
                    NetworkQuantizer.Quantize(
                        here, images,
                        options with
                        {
                            WeightBits = 4,
                            ActivationBits = 4,
                            Progress = watch,
                            Calibration = new() { KeepOnDevice = keepOnDevice },
                        },
                        seed: 1, firstBlock.Token).Dispose();
                }
                catch (OperationCanceledException) when (!setting.Limit.IsCancellationRequested)
                {
                    // The first block has been seen.
                }
                var where = keepOnDevice ? "on the device" : "off the device";
                setting.Log.Check(
                    $"{name}, data {where}: live tensors", watch.Tensors.Max() - watch.Tensors.Min() < 100,
                    $"{watch.Tensors.Min()} to {watch.Tensors.Max()} in steps {watch.From} to {steps} of the first block");
                if (setting.Device.type == DeviceType.CUDA)
                {
                    var growth = watch.Bytes[^1] - watch.Bytes[0];
                    setting.Log.Check(
                        $"{name}, data {where}: memory", growth <= 8 << 20,
                        $"{growth >> 20} MB more after {steps - watch.From} steps, {watch.Bytes[^1] >> 20} MB in use");
                }
            }
        }
    }

    /// <summary>Looks at the first block from a tenth of its steps on.</summary>
    private sealed class Watch(Setting setting, int steps, CancellationTokenSource firstBlock)
        : IProgress<QuantizationProgress>
    {
        public int From { get; } = steps / 10;

        public List<long> Tensors { get; } = [];

        public List<long> Bytes { get; } = [];

        public void Report(QuantizationProgress value)
        {
            if (value.BlockIndex > 0)
                firstBlock.Cancel();
            if (value.BlockIndex > 0 || value.Step < From || value.Step % 10 != 0)
                return;
            // Of all threads: Torch computes gradients of a GPU on one of its own.
            Tensors.Add(torch.Tensor.TotalCount);
            if (setting.Device.type == DeviceType.CUDA)
                Bytes.Add(CudaMemory.UsedBytes());
        }
    }
}

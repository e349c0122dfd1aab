using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>
/// How an application chooses the device: <c>GpuDeviceId</c>, <c>FallbackToCpu</c>, a device that is not there.
/// </summary>
internal static class Devices
{
    private const int Side = 16;

    public static void Run(Setting setting)
    {
        using var network = ResNet.Cifar(8, 4, seed: 1, width: 8, inputSize: Side);
        int? there = setting.Device.type == DeviceType.CUDA ? 0 : null;

        var expected = Scores(null, false);
        var actual = Scores(there, false);
        var difference = expected.Zip(actual, (x, y) => (double)Math.Abs(x - y)).Max() / expected.Max(Math.Abs);
        setting.Log.Check($"GpuDeviceId = {there?.ToString() ?? "null"}", difference < 0.35,
            $"quantized scores {difference:E1} from the CPU's");

        const int missing = 99;
        try
        {
            Scores(missing, false);
            setting.Log.Check($"GpuDeviceId = {missing}", passed: false, "no error");
        }
        catch (InvalidOperationException e)
        {
            setting.Log.Check($"GpuDeviceId = {missing}", e.Message.Contains("99", StringComparison.Ordinal), e.Message);
        }
        var fallen = Scores(missing, true);
        setting.Log.Check(
            $"GpuDeviceId = {missing}, FallbackToCpu", fallen.SequenceEqual(expected), "the scores of the CPU");

        float[] Scores(int? gpu, bool fallback)
        {
            var ml = new MLContext(seed: 1) { GpuDeviceId = gpu, FallbackToCpu = fallback };
            var random = new Random(1);
            var rows = Enumerable.Range(0, 16).Select(i => new Row
            {
                Pixels = [.. Enumerable.Range(0, 3 * Side * Side).Select(_ => random.NextSingle())],
            }).ToList();
            var view = ml.Data.LoadFromEnumerable(rows);
            var options = new HdrqOptions { WeightBits = 8, ActivationBits = 8, Training = new() { Iterations = 2 } };
            using var model = ml.Transforms.ApplyNetwork("Score", "Pixels", network)
                .Append(ml.Transforms.QuantizeHdrq("Quantized", "Score", options))
                .Fit(view);
            return [.. model.Transform(view).GetColumn<float[]>("Quantized").SelectMany(scores => scores)];
        }
    }

    private sealed class Row
    {
        [VectorType(3 * Side * Side)]
        public float[] Pixels { get; set; } = [];
    }
}

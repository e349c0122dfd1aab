using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>Steps of a block's reconstruction beside a plain forward and backward pass of the same block.</summary>
internal static class Speed
{
    public static void Run(Setting setting)
    {
        Block("ResNet-20 layer1.1, 32x16x32x32", () => ResNet.Cifar(20, 10, seed: 1), "layer1.1.conv1",
            [32, 16, 32, 32], setting);
        Block("ResNet-20 layer3.1, 32x64x8x8", () => ResNet.Cifar(20, 10, seed: 1), "layer3.1.conv1", [32, 64, 8, 8],
            setting);
        Block("ResNet-18 layer1.1, 32x64x56x56", () => ResNet.ImageNet(18, 10, seed: 1, inputSize: 64),
            "layer1.1.conv1", [32, 64, 56, 56], setting);
        Block("ResNet-50 layer1.1, 8x256x56x56", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64),
            "layer1.1.conv1", [8, 256, 56, 56], setting);
        Block("ResNet-50 layer1.1, 32x256x56x56", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64),
            "layer1.1.conv1", [32, 256, 56, 56], setting);
        Block("ResNet-50 layer3.1, 32x1024x14x14", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64),
            "layer3.1.conv1", [32, 1024, 14, 14], setting);
    }

    private static void Block(string what, Func<Network> create, string blockName, long[] shape, Setting setting)
    {
        setting.Limit.ThrowIfCancellationRequested();
        if (setting.IsBrief)
            shape[0] = 2;
        using var scope = torch.NewDisposeScope();
        using var original = create().To(setting.Device);
        using var folded = FoldBatchNormalization.Apply(original);
        var inputShape = folded.Graph.Inputs[0].Shape.ToArray();
        inputShape[0] = 8;
        var images = Setting.Random(1, inputShape).to(setting.Device);
        using var quantized = Calibration.Apply(
            folded, QuantizerSites.Find(folded, QuantizerPlacement.Integer, 4, 4, [], reduceRange: true), [images],
            new(), perChannel: true,
            setting.Limit);
        var block = BlockPartition.Find(quantized.Graph).Single(candidate => candidate.Name == blockName);
        var training = new HdrqTraining();
        using var reconstruction = new BlockReconstruction(quantized, block, folded.Parameters, training, seed: 1);
        var plainBlock = BlockPartition.Find(folded.Graph).Single(candidate => candidate.Name == blockName);
        using var plain = Subgraph.Extract(
            folded, plainBlock.Nodes, plainBlock.Inputs, plainBlock.Output,
            (_, tensor) => tensor.is_floating_point() ? new Parameter(tensor.detach().clone()) : tensor.clone());
        var input = Setting.Random(2, shape).relu().to(setting.Device);
        torch.Tensor target;
        using (torch.no_grad())
            target = plain.Run([input], ForwardMode.Inference)[0];
        using var data = BlockData.Of(input, input, target);
        var all = BatchIndices.All((int)shape[0]);
        if (setting.Device.type == DeviceType.CUDA)
            all = all with { OnDevice = torch.tensor(all.Host, device: setting.Device) };
        var (noisy, rounding) = (reconstruction.Scheme(isNoisy: true), reconstruction.Scheme(isNoisy: false));
        var channelsLast = input.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

        var plainTime = Time(() => Plain(input), setting);
        var noisyTime = Time(() => Step(noisy), setting);
        var roundingTime = Time(() => Step(rounding), setting);
        setting.Log.Number($"{what}: forward and backward", plainTime, "ms");
        setting.Log.Number($"{what}: step with noise", noisyTime, "ms");
        setting.Log.Number($"{what}: step with noise", noisyTime / plainTime, "plain passes");
        setting.Log.Number($"{what}: step with rounding", roundingTime / plainTime, "plain passes");
        setting.Log.Number($"{what}: channels last", Time(() => Plain(channelsLast), setting) / plainTime,
            "plain passes");
        if (setting.Device.type != DeviceType.CUDA)
            return;
        torch.backends.cudnn.allow_tf32 = true;
        setting.Log.Number($"{what}: TF32", Time(() => Plain(input), setting) / plainTime, "plain passes");
        setting.Log.Number($"{what}: TF32, step with noise", Time(() => Step(noisy), setting) / plainTime,
            "plain passes");
        torch.backends.cudnn.allow_tf32 = false;

        void Plain(torch.Tensor batch)
        {
            foreach (var parameter in plain.Parameters.Values)
                parameter.grad = null;
            ReconstructionLoss.Squared(plain.Run([batch], ForwardMode.Gradient)[0], target).backward();
        }

        void Step(Func<Networks.Operators.FakeQuantize, Networks.Quantizers.RoundingScheme> scheme) =>
            reconstruction.Step(data, all, scheme, null, training.WeightLearningRate,
                training.ActivationScaleLearningRate);
    }

    /// <summary>The median time of a call in groups of ten, in milliseconds, after a warm-up.</summary>
    private static double Time(Action action, Setting setting)
    {
        var (groups, size) = setting.IsBrief ? (1, 1) : setting.Device.type == DeviceType.CPU ? (3, 2) : (7, 10);
        for (var i = 0; i < size; i++)
            Once();
        var times = new double[groups];
        for (var group = 0; group < groups; group++)
        {
            setting.Synchronize();
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < size; i++)
                Once();
            setting.Synchronize();
            times[group] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / size;
        }
        Array.Sort(times);
        return times[groups / 2];

        void Once()
        {
            using var scope = torch.NewDisposeScope();
            action();
        }
    }
}

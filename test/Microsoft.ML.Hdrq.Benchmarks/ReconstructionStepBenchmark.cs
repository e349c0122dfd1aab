using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// What one step of a block's reconstruction costs, from the choice of the images to the new weights and scales, as a
/// multiple of a forward and backward pass of the same block in full precision. All kinds of steps take turns.
/// </summary>
internal static class ReconstructionStepBenchmark
{
    /// <summary>
    /// Measures some blocks of residual networks at W4A4, with a scale for each weight and for each output channel.
    /// </summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="repetitions">
    /// Turns that count, and as many before them, in which .NET finds out what to compile with all optimizations; at
    /// least 1.
    /// </param>
    public static void Run(SpeedTable table, int repetitions)
    {
        Measure(table, "ResNet-20 layer1.1, 32x16x32x32", () => ResNet.Cifar(20, 10, seed: 1), "layer1.1.conv1",
            [32, 16, 32, 32], 3 * repetitions);
        Measure(table, "ResNet-20 layer3.1, 32x64x8x8", () => ResNet.Cifar(20, 10, seed: 1), "layer3.1.conv1",
            [32, 64, 8, 8], 3 * repetitions);
        Measure(table, "ResNet-18 layer1.1, 8x64x56x56", () => ResNet.ImageNet(18, 10, seed: 1, inputSize: 64),
            "layer1.1.conv1", [8, 64, 56, 56], repetitions);
        Measure(table, "ResNet-18 layer2.1, 16x128x28x28", () => ResNet.ImageNet(18, 10, seed: 1, inputSize: 64),
            "layer2.1.conv1", [16, 128, 28, 28], repetitions);
        Measure(table, "ResNet-50 layer1.1, 8x256x56x56", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64),
            "layer1.1.conv1", [8, 256, 56, 56], repetitions);
        Measure(table, "ResNet-50 layer2.1, 16x512x28x28", () => ResNet.ImageNet(50, 10, seed: 1, inputSize: 64),
            "layer2.1.conv1", [16, 512, 28, 28], repetitions);
    }

    private static void Measure(
        SpeedTable table, string what, Func<Network> create, string blockName, long[] shape, int repetitions)
    {
        using var scope = torch.NewDisposeScope();
        using var original = create();
        using var folded = FoldBatchNormalization.Apply(original);
        using var generator = new torch.Generator(1);
        var inputShape = folded.Graph.Inputs[0].Shape.ToArray();
        inputShape[0] = 8;
        var images = torch.randn(inputShape, generator: generator);
        using var training = Training(folded, images, blockName, isPerChannel: false);
        using var perChannel = Training(folded, images, blockName, isPerChannel: true);
        var plainBlock = BlockPartition.Find(folded.Graph).Single(candidate => candidate.Name == blockName);
        using var plain = Subgraph.Extract(
            folded, plainBlock.Nodes, plainBlock.Inputs, plainBlock.Output,
            (_, tensor) => tensor.is_floating_point() ? new Parameter(tensor.detach().clone()) : tensor.clone());

        var input = torch.randn(shape, generator: generator).relu();
        torch.Tensor target;
        using (torch.no_grad())
            target = plain.Run([input], ForwardMode.Inference)[0];
        var all = BatchIndices.All((int)shape[0]);
        var rates = new HdrqTraining();
        var steps = new List<Action> { () => PlainStep(plain, input, target) };
        foreach (var kind in new[] { training, perChannel })
        {
            foreach (var isNoisy in new[] { true, false })
            {
                var scheme = kind.Scheme(isNoisy);
                steps.Add(() => kind.Step(BlockData.Of(input, input, target), all, scheme, null,
                    rates.WeightLearningRate, rates.ActivationScaleLearningRate));
            }
        }
        var times = Turns.Take([.. steps.Select(InScope)], warmUps: repetitions, repetitions);
        string[] names = ["a plain pass", "one scale a weight, noise", "one scale a weight, rounding",
            "one scale a channel, noise", "one scale a channel, rounding"];
        foreach (var (name, time) in names.Zip(times))
            table.Add("reconstruction", what, name, time, "ms", time / times[0], "plain passes");
    }

    private static BlockReconstruction Training(Network network, torch.Tensor images, string blockName, bool isPerChannel)
    {
        var sites = QuantizerSites.Find(network, QuantizerPlacement.Paper, 4, 4, [], reduceRange: true);
        using var quantized = Calibration.Apply(
            network, sites, [images], new CalibrationOptions(), isPerChannel, CancellationToken.None);
        var block = BlockPartition.Find(quantized.Graph).Single(candidate => candidate.Name == blockName);
        // Its terms and parameters are those that users have who set nothing.
        return new BlockReconstruction(quantized, block, network.Parameters, new HdrqTraining(), seed: 1);
    }

    private static void PlainStep(Network block, torch.Tensor input, torch.Tensor target)
    {
        foreach (var parameter in block.Parameters.Values)
            parameter.grad?.zero_();
        ReconstructionLoss.Squared(block.Run([input], ForwardMode.Gradient)[0], target).backward();
    }

    private static Action InScope(Action step) => () =>
    {
        using var scope = torch.NewDisposeScope();
        step();
    };
}

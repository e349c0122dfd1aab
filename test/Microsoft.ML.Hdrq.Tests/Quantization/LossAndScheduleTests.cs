using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class LossAndScheduleTests
{
    [TestMethod]
    public void TheDistanceIsThePapersCode()
    {
        using var scope = torch.NewDisposeScope();
        var golden = GoldenFile.Read("block_loss.json").GetProperty("distance");
        var layers = golden.GetProperty("w").EnumerateArray()
            .Zip(golden.GetProperty("w0").EnumerateArray(),
            (weight, source) => (new Parameter(Tensor(weight)), Tensor(source))).ToList();
        var loss = WeightDistance.Sum(layers).mul(golden.GetProperty("hyp").GetDouble());
        Assert.AreEqual(HdrqTraining.Paper.DistanceWeight, golden.GetProperty("hyp").GetDouble());
        Golden.AssertClose([golden.GetProperty("value").GetSingle()], loss);
        loss.backward();
        foreach (var (layer, expected) in layers.Zip(golden.GetProperty("grad_w").EnumerateArray()))
            Golden.AssertClose(expected.Numbers(), layer.Item1.grad!);

        static torch.Tensor Tensor(System.Text.Json.JsonElement golden)
        {
            var (shape, values) = golden.Tensor();
            return torch.tensor(values).reshape(shape);
        }
    }

    [TestMethod]
    public void AWeightAtItsSourceHasNoGradientAndNotNaN()
    {
        using var scope = torch.NewDisposeScope();
        var weight = new Parameter(torch.ones(2, 3));
        WeightDistance.Sum([(weight, torch.ones(2, 3))]).backward();
        Golden.AssertClose(new float[6], weight.grad!);
    }

    [TestMethod]
    public void LearningRatesAreThePapersCode()
    {
        var golden = GoldenFile.Read("schedule.json");
        var iterations = golden.GetProperty("iters").GetInt32();
        var settings = HdrqTraining.Paper with { Iterations = iterations };
        Assert.AreEqual(golden.GetProperty("warm_up").GetDouble(), settings.WarmUp);
        var warmUp = (int)(iterations * settings.WarmUp);
        Assert.AreEqual(golden.GetProperty("noise_off_iteration").GetInt32(), iterations - warmUp);
        for (var i = 0; i < iterations; i++)
        {
            Near(golden.GetProperty("weight_multiplier")[i].GetDouble(),
                LearningRateSchedule.CosineAfterWarmUp(i, iterations, warmUp), i);
            Near(golden.GetProperty("weight_lr")[i].GetDouble(),
                settings.WeightLearningRate * LearningRateSchedule.CosineAfterWarmUp(i, iterations, warmUp), i);
            Near(golden.GetProperty("act_multiplier")[i].GetDouble(), LearningRateSchedule.Cosine(i, iterations), i);
            Near(golden.GetProperty("act_lr")[i].GetDouble(),
                settings.ActivationScaleLearningRate * LearningRateSchedule.Cosine(i, iterations), i);
        }

        static void Near(double expected, double actual, int iteration) =>
            Assert.AreEqual(expected, actual, 1e-5 * Math.Abs(expected) + 1e-12, $"Iteration {iteration}");
    }

    [TestMethod]
    public void AdamIsTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var golden = GoldenFile.Read("schedule.json").GetProperty("adam");
        var parameter = new Parameter(torch.tensor(golden.GetProperty("start").Numbers()));
        using var optimizer = new AdamOptimizer([parameter]);
        foreach (var (gradient, expected) in golden.GetProperty("grads").EnumerateArray()
            .Zip(golden.GetProperty("after_each_step").EnumerateArray()))
        {
            optimizer.ZeroGradients();
            parameter.mul(torch.tensor(gradient.Numbers())).sum().backward();
            optimizer.Step(1e-2);
            Golden.AssertClose(expected.Numbers(), parameter);
        }
    }
}

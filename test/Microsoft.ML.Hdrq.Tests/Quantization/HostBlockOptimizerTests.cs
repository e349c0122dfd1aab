using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>What the passes over host memory compute is what Torch computes, to the last bit.</summary>
[TestClass]
public sealed class HostBlockOptimizerTests
{
    private const int Steps = 6;

    [TestMethod]
    public void Steps_are_those_of_Torch()
    {
        using var scope = torch.NewDisposeScope();
        var (expected, actual) = (Train(learned => new TorchBlockOptimizer(learned)), Train(BlockOptimizer.Create));
        foreach (var (name, one, other) in expected.Zip(actual, (one, other) => (one.Name, one.Values, other.Values)))
            CollectionAssert.AreEqual(one, other, name);
    }

    [TestMethod]
    public void Nothing_is_left()
    {
        using var scope = torch.NewDisposeScope();
        Train(BlockOptimizer.Create);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Train(BlockOptimizer.Create);
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    // One weight is near two others, one is where it is pulled to, one has a gradient that is not contiguous, and one has
    // no gradient but that of its distance.
    private static List<(string Name, float[] Values)> Train(Func<BlockOptimizer.Learned, BlockOptimizer> create)
    {
        using var scope = torch.NewDisposeScope();
        Parameter[] weights = [Learned(1, 233, 301), Learned(2, 5, 3), Learned(3, 4, 6), Learned(4, 7), Learned(5, 9)];
        Parameter[] scales = [Learned(6, 5), Learned(7, 1)];
        BlockOptimizer.Distance[] distances =
        [
            new(weights[0], SmallNetworks.Random(11, 233, 301), 0.05),
            new(weights[1], weights[1].detach().clone(), 0.3),
            new(weights[2], SmallNetworks.Random(12, 4, 6), 0.1),
            new(weights[0], weights[0].detach().clone(), 0.2),
            new(weights[3], SmallNetworks.Random(13, 7), 0.1),
        ];
        using var optimizer = create(new(weights, [scales[0]], [scales[1]], distances));
        var found = new List<(string, float[])>();
        for (var step = 0; step < Steps; step++)
        {
            using var stepScope = torch.NewDisposeScope();
            var loss = weights[0].mul(step + 1).sin().sum()
                .add(weights[1].mul(scales[1]).exp().sum())
                .add(weights[2].t().mul(SmallNetworks.Random(step, 6, 4)).sum())
                .add(weights[4].cos().sum())
                .add(scales[0].sin().sum());
            loss = optimizer.AddDistances(loss);
            found.Add(($"loss {step}", [loss.item<float>()]));
            optimizer.ZeroGradients();
            loss.backward();
            optimizer.Step(0.01 * (step + 1), 0.003);
        }
        foreach (var (index, parameter) in weights.Concat(scales).Index())
            found.Add(($"parameter {index}", parameter.data<float>().ToArray()));
        return found;

        static Parameter Learned(int seed, params long[] shape) => new(SmallNetworks.Random(seed, shape));
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public sealed class StepwiseRunTests
{
    /// <summary>Whatever is kept, values are those of a run of the whole network.</summary>
    [TestMethod]
    [DataRow(0L)]
    [DataRow(50_000L)]
    [DataRow(1L << 30)]
    public void Values_are_those_of_a_whole_run(long budget)
    {
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        using var generator = new torch.Generator(1);
        var images = torch.randn([10, 3, 8, 8], generator: generator);
        using var run = new StepwiseRun(network, images, batchSize: 4, budget);
        Assert.AreEqual(3, run.Batches);
        var convolutions = network.Graph.Nodes.Where(node => node.Operator.Type == "Conv").ToList();
        foreach (var node in convolutions)
        {
            // As a merge does, which changes each layer once what it reads is known.
            var weight = node.Inputs[1];
            AssertSame(node.Inputs[0], node.Outputs[0]);
            using (torch.no_grad())
                network.Parameters[weight].mul_(0.9);
            run.Changed(new HashSet<string> { weight });
            AssertSame(node.Outputs[0]);
        }

        void AssertSame(params string[] names)
        {
            for (var batch = 0; batch < run.Batches; batch++)
            {
                using var batchScope = torch.NewDisposeScope();
                var rows = images.narrow(0, 4 * batch, Math.Min(4, 10 - 4 * batch));
                var expected = new Dictionary<string, torch.Tensor> { [network.Graph.Inputs[0].Name] = rows };
                var context = new ComputeContext(ForwardMode.Inference, network.Device)
                {
                    Watch = (name, value) => expected[name] = value.clone().MoveToOtherDisposeScope(batchScope),
                };
                network.Run([rows], context);
                foreach (var (name, value) in run.Values(batch, names))
                    Assert.IsTrue(value.equal(expected[name]).all().item<bool>(), $"{name}, batch {batch}");
            }
        }
    }

    [TestMethod]
    public void Nothing_is_left()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            using var run = new StepwiseRun(network, torch.ones([5, 3, 8, 8]), batchSize: 2, budget: 1 << 20);
            for (var batch = 0; batch < run.Batches; batch++)
                run.Values(batch, [network.Graph.Nodes[^2].Outputs[0]]);
        });
    }
}

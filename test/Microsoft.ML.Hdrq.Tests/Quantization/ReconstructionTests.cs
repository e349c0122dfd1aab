using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class ReconstructionTests
{
    private static readonly HdrqTraining _short = HdrqTraining.Paper with { Iterations = 10, BatchSize = 4 };

    [TestMethod]
    public void TheSameSeedGivesTheSameNetwork()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        var results = new[] { 1, 1, 2 }.Select(seed =>
        {
            using var quantized = SmallNetworks.Quantize(network, images, 3, 3);
            Reconstruction.Apply(quantized, images, network.Parameters, _short, new(), seed, null, CancellationToken.None);
            return Golden.Parameters(quantized);
        }).ToList();
        CollectionAssert.AreEqual(results[0], results[1]);
        CollectionAssert.AreNotEqual(results[0], results[2]);
    }

    [TestMethod]
    public void TheSameSeedGivesTheSameBytesOnABusyMachine()
    {
        var threads = torch.get_num_threads();
        try
        {
            // More threads than cores, whose order is anyone's guess, and values enough that all have something to do.
            torch.set_num_threads(4);
            using var scope = torch.NewDisposeScope();
            using var network = SmallNetworks.Residual(width: 8, inputSize: 32);
            var images = SmallNetworks.Random(1, 16, 3, 32, 32);
            var input = SmallNetworks.Random(2, 16, 8, 32, 32).relu();
            foreach (var perChannel in new[] { false, true })
            {
                using var quantized = SmallNetworks.Quantize(network, images, 3, 3, perChannel: perChannel);
                var block = BlockPartition.Find(quantized.Graph)[1];
                var quiet = Train();
                using var end = new CancellationTokenSource();
                var others = Enumerable.Range(0, 3)
                    .Select(_ => Task.Run(() => { while (!end.IsCancellationRequested) Thread.SpinWait(1000); }))
                    .ToArray();
                var busy = Train();
                end.Cancel();
                Task.WaitAll(others);
                CollectionAssert.AreEqual(quiet, busy);

                TensorData[] Train()
                {
                    using var trained = quantized.Clone();
                    using var training = new BlockReconstruction(
                        trained, block, network.Parameters, _short with { BatchSize = 16 }, seed: 1);
                    training.Train(BlockData.Of(input, input, input), null, CancellationToken.None);
                    training.CopyTo(trained);
                    return Golden.Parameters(trained);
                }
            }
        }
        finally
        {
            torch.set_num_threads(threads);
        }
    }

    [TestMethod]
    public void BiasesAreTrainedOnlyWhenAskedFor()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 4, 4);
        var block = BlockPartition.Find(quantized.Graph)[1];
        var biases = block.Nodes.Where(node => node.Operator.Type == "Conv").Select(node => node.Inputs[2]).ToArray();
        Assert.HasCount(2, biases);
        foreach (var isTrained in new[] { false, true })
        {
            using var trained = quantized.Clone();
            using var training = new BlockReconstruction(
                trained, block, network.Parameters, _short with { TrainBiases = isTrained }, seed: 1);
            var input = SmallNetworks.Random(2, 8, 4, 8, 8).relu();
            training.Train(BlockData.Of(input, input, input.add(5)), null, CancellationToken.None);
            training.CopyTo(trained);
            foreach (var bias in biases)
                Assert.AreEqual(isTrained, trained.Parameters[bias].ne(network.Parameters[bias]).any().item<bool>(), bias);
            // The targets are larger everywhere, so the last bias must have grown.
            if (isTrained)
                Assert.IsTrue(trained.Parameters[biases[^1]].gt(network.Parameters[biases[^1]]).all().item<bool>());
        }
    }

    /// <summary>
    /// Each of the two distances holds the weights near what it is measured to, the source's or the network's own.
    /// </summary>
    [TestMethod]
    public void DistancesHoldWeightsNear()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using var source = network.Clone();
        using (torch.no_grad())
        {
            foreach (var name in source.Parameters.Keys.Where(name => name.EndsWith("weight", StringComparison.Ordinal)))
                source.Parameters[name].add_(0.1);
        }
        using var quantized = SmallNetworks.Quantize(network, SmallNetworks.Random(1, 8, 3, 8, 8), 4, 4);
        var block = BlockPartition.Find(quantized.Graph)[1];
        var weights = block.Nodes.Where(node => node.Operator.Type == "Conv").Select(node => node.Inputs[1])
            .Select(value => block.Nodes.Single(node => node.Outputs[0] == value).Inputs[0]).ToArray();
        var settings = HdrqTraining.Paper with
        {
            Iterations = 50,
            BatchSize = 4,
            WeightLearningRate = 1e-3,
            DistanceWeight = 0
        };
        var free = Train(settings);
        Assert.IsLessThan(free.ToOwn, Train(settings with { DriftWeight = 1 }).ToOwn);
        Assert.IsLessThan(free.ToSource, Train(settings with { DistanceWeight = 1 }).ToSource);

        (double ToOwn, double ToSource) Train(HdrqTraining with)
        {
            using var trained = quantized.Clone();
            using var training = new BlockReconstruction(trained, block, source.Parameters, with, seed: 1);
            var input = SmallNetworks.Random(2, 8, 4, 8, 8).relu();
            training.Train(BlockData.Of(input, input, SmallNetworks.Random(3, 8, 4, 8, 8).relu()), null,
                CancellationToken.None);
            training.CopyTo(trained);
            return (Distance(network), Distance(source));

            double Distance(Network to) =>
                weights.Sum(name => trained.Parameters[name].sub(to.Parameters[name]).norm().item<float>());
        }
    }

    [TestMethod]
    public void LiveTensorsDoNotGrowWithTheSteps()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        foreach (var perChannel in new[] { false, true })
        {
            using var quantized = SmallNetworks.Quantize(network, images, 4, 4, perChannel: perChannel);
            using var training = new BlockReconstruction(
                quantized, BlockPartition.Find(quantized.Graph)[1], network.Parameters,
                _short with { Iterations = 60, TrainBiases = perChannel, DriftWeight = 0.1 }, seed: 1);
            var input = SmallNetworks.Random(2, 8, 4, 8, 8).relu();
            var live = new Dictionary<int, long>();
            training.Train(BlockData.Of(input, input, input),
                (step, _) => live[step] = DisposeScopeManager.Statistics.ThreadTotalLiveCount, CancellationToken.None);
            Assert.AreEqual(live[10], live[60]);
        }
    }

    [TestMethod]
    public void ReconstructionBringsTheScoresNearerAndTouchesNothingElse()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual(width: 8);
        var images = SmallNetworks.Random(1, 32, 3, 8, 8);
        var (parameters, pixels) = (Golden.Parameters(network), TensorData.FromTorch(images));
        using var quantized = SmallNetworks.Quantize(network, images, 3, 3);
        var exact = network.Forward(images);
        var before = quantized.Forward(images).sub(exact).square().mean().item<float>();
        var losses = new Dictionary<string, List<float>>();
        var steps = new List<int>();
        Reconstruction.Apply(quantized, images, new Dictionary<string, torch.Tensor>(),
            HdrqTraining.Paper with
            {
                Iterations = 60,
                BatchSize = 16,
                WeightLearningRate = 1e-3,
                ActivationScaleLearningRate = 1e-3
            }, new(), 1,
            new Report<QuantizationProgress>(progress =>
            {
                if (!losses.TryGetValue(progress.Block, out var list))
                    losses.Add(progress.Block, list = []);
                Assert.AreEqual((losses.Count - 1, 5, 60), (progress.BlockIndex, progress.Blocks, progress.Steps));
                list.Add((float)progress.Loss);
                Assert.HasCount(progress.Step, list);
            }), CancellationToken.None);
        var after = quantized.Forward(images).sub(exact).square().mean().item<float>();
        Assert.IsLessThan(0.7f * before, after);
        Assert.HasCount(5, losses);
        Assert.IsTrue(losses.Values.All(list => list.Count == 60));
        CollectionAssert.AreEqual(parameters, Golden.Parameters(network));
        Assert.AreEqual(pixels, TensorData.FromTorch(images));
        foreach (var node in quantized.Graph.Nodes.Where(node => node.Operator is FakeQuantize))
            Assert.IsGreaterThan(0, quantized.Parameters[node.Inputs[1]].min().item<float>());
    }

    [TestMethod]
    public void WithoutQuantizersInEffectTheNetworkIsItsFullPrecisionSelf()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 4, 3, 8, 8);
        foreach (var placement in Enum.GetValues<QuantizerPlacement>())
        {
            using var quantized = SmallNetworks.Quantize(network, images, 2, 2, placement);
            var context = new ComputeContext(ForwardMode.Inference, torch.CPU) { Rounding = _ => BypassRounding.Instance };
            Assert.AreEqual(TensorData.FromTorch(network.Forward(images)),
                TensorData.FromTorch(quantized.Run([images], context)[0]));
            Assert.AreNotEqual(TensorData.FromTorch(network.Forward(images)),
                TensorData.FromTorch(quantized.Forward(images)));
        }
    }

    [TestMethod]
    public void WhatABlockLearnsIsCopiedAndNothingElseChanges()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 4, 4);
        using var untouched = quantized.Clone();
        var block = BlockPartition.Find(quantized.Graph)[1];
        using var training = new BlockReconstruction(quantized, block, network.Parameters, _short, seed: 1);
        var input = SmallNetworks.Random(2, 8, 4, 8, 8).relu();
        training.Train(BlockData.Of(input, input, SmallNetworks.Random(3, 8, 4, 8, 8)), null, CancellationToken.None);
        CollectionAssert.AreEqual(Golden.Parameters(untouched), Golden.Parameters(quantized),
            "Training itself must leave the network alone.");
        training.CopyTo(quantized);
        string[] expected = ["layer1.0.conv1.weight", "layer1.0.conv1.weight.scale", "layer1.0.conv2.weight",
            "layer1.0.conv2.weight.scale", "layer1.0.relu1.scale", "layer1.0.relu2.scale"];
        var changed = quantized.Parameters.Where(
            pair => !TensorData.FromTorch(pair.Value).Equals(TensorData.FromTorch(untouched.Parameters[pair.Key])))
            .Select(pair => pair.Key);
        CollectionAssert.AreEquivalent(expected, changed.ToList());
        Assert.IsFalse(quantized.Parameters["layer1.0.conv1.weight"].requires_grad);
    }

    [TestMethod]
    public void ScalesStayPositiveAtAnyLearningRate()
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 3, 3, perChannel: true);
        Reconstruction.Apply(quantized, images, network.Parameters,
            _short with { WeightLearningRate = 0.5, ActivationScaleLearningRate = 0.5 }, new(), 1, null,
            CancellationToken.None);
        foreach (var node in quantized.Graph.Nodes.Where(node => node.Operator is FakeQuantize))
            Assert.IsGreaterThan(0, quantized.Parameters[node.Inputs[1]].min().item<float>());
    }

    [TestMethod]
    public void NothingIsLeftOverAfterManySteps()
    {
        using var network = SmallNetworks.Residual(width: 8, inputSize: 16);
        using var images = SmallNetworks.Random(1, 16, 3, 16, 16);
        using var quantized = SmallNetworks.Quantize(network, images, 4, 4);
        var block = BlockPartition.Find(quantized.Graph)[1];
        using var input = torch.rand(16, 8, 16, 16);
        var settings = HdrqTraining.Paper with { Iterations = 30, BatchSize = 16 };
        // Whatever the first steps set up is set up.
        Train();
        long before = 0;
        LiveTensors.AssertUnchanged(() =>
        {
            before = Resident();
            for (var i = 0; i < 10; i++)
                Train();
        });
        // A step's activations have more than 128 KB each: 300 steps that left one behind would show.
        Assert.IsLessThan(30L << 20, Resident() - before);

        void Train()
        {
            using var training = new BlockReconstruction(quantized, block, network.Parameters, settings, seed: 1);
            using var data = BlockData.Of(input, input, input);
            training.Train(data, null, CancellationToken.None);
        }

        static long Resident()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }

    [TestMethod]
    public void CancellationEndsItBetweenTwoSteps()
    {
        using var network = SmallNetworks.Residual();
        using var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 4, 4);
        using var source = new CancellationTokenSource();
        var count = 0;
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<OperationCanceledException>(
                () => Reconstruction.Apply(quantized, images, network.Parameters, _short, new(), 1,
                    new Report<QuantizationProgress>(progress =>
        {
            count++;
            if (progress is { BlockIndex: 1, Step: 3 })
                source.Cancel();
        }), source.Token)));
        Assert.AreEqual(13, count);
        Assert.ThrowsExactly<OperationCanceledException>(
            () => Calibration.Apply(network, [], [images], new CalibrationOptions(), perChannel: false, source.Token));
    }
}

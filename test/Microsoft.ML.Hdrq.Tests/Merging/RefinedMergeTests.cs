using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>Merging with unlabelled images: the second round and distilling.</summary>
[TestClass]
public sealed class RefinedMergeTests
{
    private static readonly MergeOptions _secondRound = new()
    {
        Method = MergeMethod.Mean(),
        AllowDifferentSources = true,
    };

    private static readonly MergeOptions _distilled = _secondRound with
    {
        Refinement = MergeRefinement.Distillation,
        Distillation = new() { Steps = 40, ImagesPerNetwork = 16, LearningRate = 1e-3 },
    };

    /// <summary>
    /// One linear layer: what comes out is the least squares solution over the rows of both sites, as Torch's own
    /// solver finds it, but for the small pull to the merged weights.
    /// </summary>
    [TestMethod]
    public void One_layer_becomes_the_least_squares_solution()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        Network[] networks = [MergeCase.Linear(1), MergeCase.Linear(2)];
        // Of the same size, so that they count alike.
        torch.Tensor[] images =
        [
            torch.randn([300, 4], generator: generator).add(1), torch.randn([300, 4], generator: generator).sub(2),
        ];
        using var merged = NetworkMerger.Merge(networks, images, _secondRound);

        var ones = torch.ones([300, 1]);
        var scales = images.Select(rows => 1 / Covariance(rows).square().sum().sqrt().sqrt().item<float>()).ToArray();
        var rows = torch.cat([.. images.Select((image, d) => torch.cat([image, ones], 1).mul(scales[d]))]);
        var wanted = torch.cat([.. networks.Select((network, d) => network.Forward(images[d]).mul(scales[d]))]);
        var (solution, _, _, _) = torch.linalg.lstsq(rows, wanted);
        Assert.IsLessThan(0.02, merged.Parameters["weight"].sub(solution.narrow(0, 0, 4).t()).abs().max().item<float>());
        Assert.IsLessThan(0.05, merged.Parameters["bias"].sub(solution[4]).abs().max().item<float>());
        Assert.AreEqual("mean, second round", merged.Metadata[NetworkMetadata.MergeMethod]);
        Array.ForEach(networks, network => network.Dispose());

        static torch.Tensor Covariance(torch.Tensor rows)
        {
            var centred = rows.sub(rows.mean([0]));
            return centred.t().mm(centred).div(rows.shape[0]);
        }
    }

    /// <summary>
    /// Inputs that are the same on all images of a site say something by differing from site to site, and where they
    /// do not differ, the mean is left.
    /// </summary>
    [TestMethod]
    [DataRow(0f)]
    [DataRow(3f)]
    public void Inputs_that_do_not_vary_do_no_harm(float difference)
    {
        using var scope = torch.NewDisposeScope();
        Network[] networks = [MergeCase.Linear(1), MergeCase.Linear(2)];
        torch.Tensor[] images = [torch.ones([64, 4]), torch.ones([64, 4]).add(difference)];
        for (var d = 0; d < 2; d++)
            InputGrams.Collect(networks[d], images[d], 32, default);
        using var plain = NetworkMerger.Merge(networks, new() { Method = MergeMethod.RegMean() });
        using var again = NetworkMerger.Merge(networks, images, _secondRound);
        var wanted = networks.Select((network, d) => network.Forward(images[d]).mean([0])).ToArray();
        foreach (var merged in new[] { plain, again })
        {
            for (var d = 0; d < 2; d++)
            {
                var expected = difference > 0 ? wanted[d] : wanted[0].add(wanted[1]).div(2);
                Assert.IsLessThan(0.05, merged.Forward(images[d]).mean([0]).sub(expected).abs().max().item<float>());
            }
        }
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>Whatever the unit of pixels is: for large ones the first layer has small weights.</summary>
    [TestMethod]
    [DataRow(false, 1f)]
    [DataRow(true, 1f)]
    [DataRow(false, 1000f)]
    [DataRow(true, 1000f)]
    public void Merged_networks_come_nearer_to_those_of_the_sites(bool isQuantized, float pixels)
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized, pixels);
        using var plain = NetworkMerger.Merge(networks, _secondRound);
        using var again = NetworkMerger.Merge(networks, images, _secondRound);
        using var distilled = NetworkMerger.Merge(networks, images, _distilled);
        Assert.IsLessThan(0.7 * Distance(plain), Distance(again));
        Assert.IsLessThan(0.9 * Distance(again), Distance(distilled));
        Assert.AreEqual("mean, second round, distilled", distilled.Metadata[NetworkMetadata.MergeMethod]);
        Array.ForEach(networks, network => network.Dispose());

        double Distance(Network network) => networks
            .Select((site, d) => site.Forward(images[d]).softmax(1).sub(network.Forward(images[d]).softmax(1))
                .square().mean().item<float>())
            .Sum();
    }

    /// <summary>Whether weights are on their grids: what a file would keep is what was computed with.</summary>
    [TestMethod]
    public void Quantized_networks_stay_on_their_grids()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: true);
        foreach (var options in new[] { _secondRound, _distilled })
        {
            using var merged = NetworkMerger.Merge(networks, images, options);
            using var onGrid = MergeCase.OnGrid(merged);
            Assert.IsTrue(merged.Forward(images[0]).allclose(onGrid.Forward(images[0]), 1e-5, 1e-5));
            foreach (var name in merged.Parameters.Keys)
                Assert.IsTrue(merged.Parameters[name].allclose(onGrid.Parameters[name], 1e-5, 1e-7), name);
        }
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    public void The_order_of_the_sites_does_not_matter()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: true);
        using var merged = NetworkMerger.Merge(networks, images, _secondRound);
        using var reversed = NetworkMerger.Merge([.. networks.Reverse()], [.. images.Reverse()], _secondRound);
        MergeCase.AssertSame(merged, reversed);
        using var distilled = NetworkMerger.Merge(networks, images, _distilled, seed: 3);
        using var otherwise = NetworkMerger.Merge([.. networks.Reverse()], [.. images.Reverse()], _distilled, seed: 3);
        MergeCase.AssertSame(distilled, otherwise);
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>Sites that send moments, step by step and through files, get what one place with all images gets.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Through_files_it_is_the_same(bool isQuantized)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryDirectory();
        var (networks, images) = Sites(isQuantized);
        using var together = NetworkMerger.Merge(networks, images, _secondRound);
        for (var d = 0; d < networks.Length; d++)
            networks[d].SaveOnnx(folder.Combine($"{d}.onnx"));
        var sent = networks.Select((_, d) => Network.LoadOnnx(folder.Combine($"{d}.onnx"))).ToArray();
        var draft = NetworkMerger.Merge(sent, _secondRound);
        var steps = 0;
        do
        {
            draft.SaveOnnx(folder.Combine("draft.onnx"));
            draft.Dispose();
            draft = Network.LoadOnnx(folder.Combine("draft.onnx"));
            var moments = sent.Select((network, d) =>
            {
                using var measured = MergeMoments.Measure(draft, network, images[d]);
                measured.Save(folder.Combine($"{d}.moments"));
                return MergeMoments.Load(folder.Combine($"{d}.moments"));
            }).ToArray();
            Assert.AreEqual(steps++, moments[0].Step);
            Assert.AreEqual(48, moments[0].Images);
            var next = NetworkMerger.MergeAgain(draft, sent, [.. moments.Reverse()], _secondRound);
            // The draft is another one now.
            if (next.Metadata.ContainsKey(NetworkMetadata.MergeStep))
            {
                StringAssert.Contains(
                    Assert.ThrowsExactly<ArgumentException>(
                        () => NetworkMerger.MergeAgain(next, sent, moments, _secondRound)).Message,
                    "another draft");
            }
            Array.ForEach(moments, one => one.Dispose());
            draft.Dispose();
            draft = next;
        }
        while (draft.Metadata.ContainsKey(NetworkMetadata.MergeStep));
        Assert.AreEqual(8, steps);
        MergeCase.AssertSame(together, draft);
        Assert.AreEqual(together.Metadata[NetworkMetadata.MergeMethod], draft.Metadata[NetworkMetadata.MergeMethod]);
        Assert.ThrowsExactly<ArgumentException>(() => MergeMoments.Measure(draft, sent[0], images[0]));
        draft.Dispose();
        Array.ForEach([.. networks, .. sent], network => network.Dispose());
    }

    [TestMethod]
    public void Moments_that_are_damaged_or_of_few_images_are_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryDirectory();
        var (networks, images) = Sites(isQuantized: false);
        using var draft = NetworkMerger.Merge(networks, _secondRound);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => MergeMoments.Measure(draft, networks[0], images[0].narrow(0, 0, 31))).Message,
            "31 images");
        using var stranger = ResNet.Cifar(8, 3, seed: 9, width: 4, inputSize: 8);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => MergeMoments.Measure(draft, stranger, images[0])).Message, "none of those");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => MergeMoments.Measure(networks[0], networks[0], images[0])).Message, "not a merged network");
        using var moments = MergeMoments.Measure(draft, networks[0], images[0]);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.MergeAgain(draft, networks, [moments], _secondRound)).Message, "needed once");
        using var others = MergeMoments.Measure(draft, networks[1], images[1]);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.MergeAgain(
                draft, networks, [moments, others], _secondRound with { NetworkWeights = [0.6, 0.4] })).Message,
            "with other weights");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.MergeAgain(
                draft, [networks[0], networks[0]], [moments, others], _secondRound)).Message,
            "not merged from these networks");
        var path = folder.Combine("a.moments");
        moments.Save(path);
        var bytes = File.ReadAllBytes(path);
        foreach (var place in new[] { 3, 40, bytes.Length / 2, bytes.Length - 1 })
        {
            var damaged = (byte[])bytes.Clone();
            damaged[place] ^= 1;
            File.WriteAllBytes(path, damaged);
            Assert.ThrowsExactly<InvalidDataException>(() => MergeMoments.Load(path));
        }
        File.WriteAllBytes(path, bytes[..20]);
        Assert.ThrowsExactly<InvalidDataException>(() => MergeMoments.Load(path));
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    public void Nothing_is_kept_and_nothing_of_the_callers_is_changed()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: false);
        var before = networks.Select(network => network.ParametersSha256()).ToArray();
        LiveTensors.AssertUnchanged(() =>
        {
            foreach (var options in new[] { _secondRound, _distilled })
                NetworkMerger.Merge(networks, images, options).Dispose();
            using var draft = NetworkMerger.Merge(networks, _secondRound);
            using var first = MergeMoments.Measure(draft, networks[0], images[0]);
            using var second = MergeMoments.Measure(draft, networks[1], images[1]);
            NetworkMerger.MergeAgain(draft, networks, [first, second], _secondRound).Dispose();
        });
        CollectionAssert.AreEqual(before, networks.Select(network => network.ParametersSha256()).ToArray());
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    public void Layers_that_do_not_depend_on_each_other_are_measured_together()
    {
        using var network = ResNet.Cifar(8, 3, seed: 1, width: 2, inputSize: 8);
        var steps = SecondRound.Steps(network.Graph);
        // The shortcuts have no weights: 7 convolutions and a linear layer, one after the other.
        Assert.HasCount(8, steps);
        using var builder = new NetworkBuilder();
        using var scope = torch.NewDisposeScope();
        var input = builder.Input("x", -1, 4);
        var left = builder.Node("MatMul", "left", [input, builder.Parameter("l", torch.randn([4, 4]))]);
        var right = builder.Node("MatMul", "right", [input, builder.Parameter("r", torch.randn([4, 4]))]);
        builder.Node("MatMul", "y",
            [builder.Node("Add", "sum", [left, right]), builder.Parameter("w", torch.randn([4, 2]))]);
        using var branched = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
        CollectionAssert.AreEqual(
            new[] { "l,r", "w" },
            SecondRound.Steps(branched.Graph)
                .Select(step => string.Join(',', step.Select(layer => layer.Weight).Order())).ToArray());
    }

    [TestMethod]
    [DataRow(4, null, 2e-4)]
    [DataRow(3, null, 1e-3)]
    [DataRow(2, null, 1e-3)]
    [DataRow(32, null, 2e-4)]
    [DataRow(3, 5e-4, 5e-4)]
    public void Weights_of_few_bits_are_distilled_at_a_larger_rate(int bits, double? rate, double expected)
    {
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using var quantized = bits == 32 ? network.Clone()
            : SmallNetworks.Quantize(network, SmallNetworks.Random(1, 4, 3, 8, 8), bits, 4);
        Assert.AreEqual(expected, new DistillationOptions { LearningRate = rate }.Training(
            quantized.Graph, networks: 2, images: 64).LearningRate);
    }

    [TestMethod]
    public void What_cannot_be_done_is_refused_before_any_work()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: false);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.Merge(networks, [images[0]])).Message,
            "2 networks and images of 1");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge(networks, [images[0], images[1].narrow(0, 0, 0)])).Message,
            "no images for network 1");
        foreach (var options in new[]
        {
            new DistillationOptions { Steps = 0 }, new() { ImagesPerNetwork = 0 }, new() { LearningRate = 0 },
            new() { Temperature = 0 }, new() { HoldWeight = -1 },
        })
        {
            Assert.Throws<ArgumentOutOfRangeException>(
                () => NetworkMerger.Merge(networks, images, new() { Distillation = options }));
        }
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => NetworkMerger.Merge(networks, images, cancellationToken: cancelled.Token));
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>
    /// A normalization after a layer only scales and shifts what the layer gives: merging computes the same function
    /// whether it is still there, and then keeps it, or folded into the layer.
    /// </summary>
    [TestMethod]
    [DataRow(MergeRefinement.None)]
    [DataRow(MergeRefinement.SecondRound)]
    public void Networks_with_normalizations_merge_as_the_folded_ones(MergeRefinement refinement)
    {
        using var scope = torch.NewDisposeScope();
        using var noGradients = torch.no_grad();
        using var generator = new torch.Generator(3);
        var images = torch.randn([2, 48, 3, 8, 8], generator: generator);
        torch.Tensor[] sites = [images[0].mul(1.5).add(0.5), images[1].sub(0.7)];
        var networks = sites.Select((rows, d) =>
        {
            var network = ResNet.Cifar(8, 3, seed: 1 + d, width: 4, inputSize: 8);
            foreach (var definition in network.Graph.Parameters.Where(
                one => one.Shape.Length == 1 && one.ElementType.IsFloat()))
            {
                network.Parameters[definition.Name]
                    .add_(torch.rand(definition.Shape.ToArray(), generator: generator).mul(0.5));
            }
            InputGrams.Collect(network, rows, 32, default);
            return network;
        }).ToArray();
        var folded = networks.Select((network, d) =>
        {
            var one = FoldBatchNormalization.Apply(network);
            InputGrams.Collect(one, sites[d], 32, default);
            return one;
        }).ToArray();
        var options = new MergeOptions
        {
            Method = MergeMethod.RegMean(),
            AllowDifferentSources = true,
            Refinement = refinement,
        };
        using var merged = NetworkMerger.Merge(networks, sites, options);
        using var expected = NetworkMerger.Merge(folded, sites, options);
        using var mean = NetworkMerger.Merge(folded, options with { Method = MergeMethod.Mean() });

        Assert.IsNull(networks[0].Graph.FirstDifference(merged.Graph));
        var rest = torch.randn([16, 3, 8, 8], generator: generator);
        var wanted = expected.Forward(rest);
        var size = wanted.std().item<float>();
        Assert.IsLessThan(1e-3f * size, merged.Forward(rest).sub(wanted).abs().max().item<float>());
        Assert.IsGreaterThan(0.1f * size, mean.Forward(rest).sub(wanted).abs().max().item<float>());
        foreach (var network in networks.Concat(folded))
            network.Dispose();
    }

    internal static (Network[] Networks, torch.Tensor[] Images) Sites(bool isQuantized, float pixels = 1)
    {
        using var generator = new torch.Generator(7);
        var images = torch.randn([2, 48, 3, 8, 8], generator: generator);
        torch.Tensor[] sites = [images[0].mul(1.5).add(0.5).mul(pixels), images[1].sub(0.7).mul(pixels)];
        using var source = ResNet.Cifar(8, 3, seed: 1, width: 4, inputSize: 8);
        var networks = sites.Select((rows, d) =>
        {
            using var other = ResNet.Cifar(8, 3, seed: 2 + d, width: 4, inputSize: 8);
            using var own = source.Clone();
            using var noGradients = torch.no_grad();
            foreach (var parameter in source.Graph.Parameters.Where(one => one.Role == ParameterRole.Weight))
            {
                own.Parameters[parameter.Name]
                    .mul_(0.7).add_(other.Parameters[parameter.Name].mul(0.3));
            }
            using var folded = FoldBatchNormalization.Apply(own);
            folded.Parameters[folded.Graph.Layers.All[0].Weight].div_(pixels);
            return isQuantized
                ? NetworkQuantizer.Quantize(
                    folded, rows, new RoundToNearestOptions { WeightBits = 4, ActivationBits = 8 }, 1)
                : folded.Clone();
        }).ToArray();
        return (networks, sites);
    }
}

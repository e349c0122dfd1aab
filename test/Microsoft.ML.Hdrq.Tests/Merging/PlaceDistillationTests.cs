using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>Distilling a merged network at one place after another.</summary>
[TestClass]
public sealed class PlaceDistillationTests
{
    private static readonly MergeOptions _merging = new()
    {
        Method = MergeMethod.RegMean(),
        AllowDifferentSources = true,
        KeepMoments = true,
    };

    private static readonly DistillationOptions _turn = new() { Steps = 60, LearningRate = 1e-3 };

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void After_a_turn_at_each_place_the_network_is_nearer_to_those_of_all(bool isQuantized)
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized);
        // After 60 steps some random networks are, and others are not yet.
        var turn = _turn with { Steps = 120 };
        using var draft = NetworkMerger.Merge(networks, _merging);
        using var first = NetworkMerger.DistillAtPlace(draft, networks[0], images[0], turn, seed: 1);
        using var second = NetworkMerger.DistillAtPlace(first, networks[1], images[1], turn, seed: 1);
        Assert.IsLessThan(0.9 * Distance(draft, 0), Distance(first, 0));
        Assert.IsLessThan(0.9 * (Distance(draft, 0) + Distance(draft, 1)), Distance(second, 0) + Distance(second, 1));
        // What a turn does to the other place is less where the network is held to what it gives there.
        using var free = NetworkMerger.DistillAtPlace(
            draft, networks[0], images[0], turn with { HoldWeight = 0 }, seed: 1);
        using var held = NetworkMerger.DistillAtPlace(
            draft, networks[0], images[0], turn with { HoldWeight = 1000 }, seed: 1);
        Assert.IsLessThan(0.5 * Moved(free), Moved(held));
        Array.ForEach(networks, network => network.Dispose());

        double Distance(Network network, int place) =>
            Difference(networks[place], network, images[place]);

        double Moved(Network network) => Difference(draft, network, images[1]);

        static double Difference(Network one, Network other, torch.Tensor rows) =>
            one.Forward(rows).softmax(1).sub(other.Forward(rows).softmax(1)).square().mean().item<float>();
    }

    /// <summary>For whole moments it is the mean square of what the images themselves show.</summary>
    [TestMethod]
    public void What_is_held_is_how_far_outputs_move()
    {
        using var scope = torch.NewDisposeScope();
        using var noGradients = torch.no_grad();
        using var generator = new torch.Generator(5);
        Network[] networks = [MergeCase.Linear(1), MergeCase.Linear(2)];
        torch.Tensor[] images =
        [
            torch.randn([200, 4], generator: generator).add(1), torch.randn([200, 4], generator: generator).mul(3).sub(2),
        ];
        for (var d = 0; d < 2; d++)
            InputGrams.Collect(networks[d], images[d], 32, default, MomentsKind.Whole);
        using var draft = NetworkMerger.Merge(networks, _merging);
        var place = draft.Metadata[NetworkMetadata.Merged].Split(' ').IndexOf(networks[1].ParametersSha256());
        using var held = new HeldOutputs(draft, [place]);
        using var moved = draft.Clone();
        Assert.AreEqual(0, held.Change(moved).item<float>());
        moved.Parameters["weight"].add_(torch.randn([3, 4], generator: generator).mul(0.1));
        moved.Parameters["bias"].add_(0.2);

        var before = draft.Forward(images[1]);
        var expected = moved.Forward(images[1]).sub(before).square().sum(1).mean()
            .div(before.var(0, unbiased: false).sum())
            .item<float>();
        Assert.AreEqual(expected, held.Change(moved).item<float>(), 0.01f * expected);
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>A normalization after a layer only scales and shifts what it gives: it is held with it.</summary>
    [TestMethod]
    public void A_network_with_normalizations_is_held_as_the_folded_one()
    {
        using var scope = torch.NewDisposeScope();
        using var noGradients = torch.no_grad();
        using var generator = new torch.Generator(4);
        var images = torch.randn([2, 48, 3, 8, 8], generator: generator);
        var networks = Enumerable.Range(0, 2).Select(d =>
        {
            var network = ResNet.Cifar(8, 3, seed: 1 + d, width: 4, inputSize: 8);
            InputGrams.Collect(network, images[d], 32, default);
            return network;
        }).ToArray();
        using var draft = NetworkMerger.Merge(networks, _merging);
        using var moved = draft.Clone();
        foreach (var definition in draft.Graph.Parameters.Where(one => one.Role == ParameterRole.Weight))
        {
            moved.Parameters[definition.Name]
                .mul_(torch.rand(definition.Shape.ToArray(), generator: generator).mul(0.2).add(0.9));
        }
        using var folded = FoldBatchNormalization.Apply(draft);
        using var foldedMoved = FoldBatchNormalization.Apply(moved);
        folded.Metadata = Renamed(draft, folded);
        using var held = new HeldOutputs(draft, [0, 1]);
        using var foldedHeld = new HeldOutputs(folded, [0, 1]);
        var expected = foldedHeld.Change(foldedMoved).item<float>();
        Assert.IsGreaterThan(1e-3f, expected);
        Assert.AreEqual(expected, held.Change(moved).item<float>(), 1e-3f * expected);
        Array.ForEach(networks, network => network.Dispose());

        // Folding may give weights other names.
        static ImmutableSortedDictionary<string, string> Renamed(Network from, Network to)
        {
            var names = from.Graph.Layers.MatrixProducts.Zip(to.Graph.Layers.MatrixProducts)
                .ToDictionary(pair => pair.First.Weight, pair => pair.Second.Weight);
            return from.Metadata.ToImmutableSortedDictionary(
                entry => names.Aggregate(entry.Key, (key, name) => key.EndsWith("/" + name.Key, StringComparison.Ordinal)
                    ? key[..^name.Key.Length] + name.Value : key),
                entry => entry.Value);
        }
    }

    [TestMethod]
    public void Through_files_it_is_the_same_and_the_last_place_takes_the_moments_out()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryDirectory();
        var (networks, images) = Sites(isQuantized: true);
        using var draft = NetworkMerger.Merge(networks, images, _merging);
        draft.SaveOnnx(folder.Combine("draft.onnx"));
        networks[0].SaveOnnx(folder.Combine("own.onnx"));
        using var read = Network.LoadOnnx(folder.Combine("draft.onnx"));
        using var own = Network.LoadOnnx(folder.Combine("own.onnx"));
        using var expected = NetworkMerger.DistillAtPlace(draft, networks[0], images[0], _turn, seed: 2);
        using var trained = NetworkMerger.DistillAtPlace(read, own, images[0], _turn, seed: 2);
        using var last = NetworkMerger.DistillAtPlace(read, own, images[0], _turn, keepMoments: false, seed: 2);
        MergeCase.AssertSame(expected, trained);
        MergeCase.AssertSame(expected, last);
        using var onGrid = MergeCase.OnGrid(trained);
        Assert.IsTrue(trained.Forward(images[0]).allclose(onGrid.Forward(images[0]), 1e-5, 1e-5));
        Assert.AreEqual("RegMean, second round, distilled", trained.Metadata[NetworkMetadata.MergeMethod]);
        Assert.AreEqual(
            draft.Metadata.Keys.Count(IsKept), trained.Metadata.Keys.Count(IsKept));
        Assert.AreEqual(2 * draft.Graph.Layers.MatrixProducts.Count(), trained.Metadata.Keys.Count(IsKept));
        Assert.IsFalse(last.Metadata.Keys.Any(IsKept));
        // A second turn adds nothing to the name, and the layers of a distilled network are not merged again.
        using var again = NetworkMerger.DistillAtPlace(trained, networks[1], images[1], _turn, seed: 2);
        Assert.AreEqual("RegMean, second round, distilled", again.Metadata[NetworkMetadata.MergeMethod]);
        // Each turn says at whose place it was, and how often the network agrees there with that place's own.
        Assert.IsEmpty(DistillationReport.Of(draft));
        CollectionAssert.AreEqual(
            new[]
            {
                new DistillationReport(own.ParametersSha256(), images[0].shape[0], Agreement(draft, 0),
                    Agreement(trained, 0)),
                new(networks[1].ParametersSha256(), images[1].shape[0], Agreement(trained, 1), Agreement(again, 1)),
            },
            DistillationReport.Of(again).ToArray());
        again.SaveOnnx(folder.Combine("again.onnx"));
        using var readAgain = Network.LoadOnnx(folder.Combine("again.onnx"));
        CollectionAssert.AreEqual(DistillationReport.Of(again).ToArray(), DistillationReport.Of(readAgain).ToArray());
        // Merged with each other, drafts are networks of their own: what they keep of others does not go on.
        using var ofDrafts = NetworkMerger.Merge([trained, again]);
        Assert.IsFalse(ofDrafts.Metadata.Keys.Any(IsKept));
        Assert.IsEmpty(DistillationReport.Of(ofDrafts));
        readAgain.Metadata = readAgain.Metadata.SetItem(NetworkMetadata.Distilled, "by hand");
        Assert.IsEmpty(DistillationReport.Of(readAgain));
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => MergeMoments.Measure(again, networks[0], images[0])).Message, "merged again already");
        Array.ForEach(networks, network => network.Dispose());

        static bool IsKept(string key) => key.StartsWith(NetworkMetadata.KeptMoments, StringComparison.Ordinal);

        double Agreement(Network merged, int place)
        {
            var (ours, theirs) = (Classes(merged), Classes(networks[place]));
            return (double)ours.Zip(theirs).Count(pair => pair.First == pair.Second) / ours.Length;

            long[] Classes(Network network) => network.Forward(images[place]).argmax(1).data<long>().ToArray();
        }
    }

    [TestMethod]
    public void Moments_stay_while_layers_are_merged_again()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: false);
        using var draft = NetworkMerger.Merge(networks, _merging);
        MergeMoments[] moments = [.. networks.Select((network, d) => MergeMoments.Measure(draft, network, images[d]))];
        using var next = NetworkMerger.MergeAgain(draft, networks, moments, _merging with { KeepMoments = false });
        Assert.IsTrue(
            next.Metadata.Keys.Any(key => key.StartsWith(NetworkMetadata.KeptMoments, StringComparison.Ordinal)));
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.DistillAtPlace(next, networks[0], images[0], _turn)).Message, "step 1 of 8");
        Array.ForEach(moments, one => one.Dispose());
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    public void What_cannot_be_done_is_refused()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: false);
        using var draft = NetworkMerger.Merge(networks, images, _merging);
        using var bare = NetworkMerger.Merge(networks, images, _merging with { KeepMoments = false });
        using var stranger = ResNet.Cifar(8, 3, seed: 9, width: 4, inputSize: 8);
        Refused(bare, networks[0], images[0], "keeps no moments");
        Refused(networks[0], networks[0], images[0], "not a merged network");
        Refused(draft, stranger, images[0], "none of those");
        Refused(draft, networks[0], images[0].narrow(0, 0, 0), "no images");
        Refused(draft, networks[0], images[1], "another of the merged networks");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => NetworkMerger.DistillAtPlace(draft, networks[0], images[0], new() { HoldWeight = double.NaN }));
        using var carriesNone = networks[1].Clone();
        carriesNone.Metadata = InputGrams.Without(carriesNone.Metadata);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge([networks[0], carriesNone], _merging with { Method = MergeMethod.Mean() }))
                .Message,
            "network 1 carries none");
        Array.ForEach(networks, network => network.Dispose());

        static void Refused(Network draft, Network network, torch.Tensor images, string because) =>
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentException>(
                    () => NetworkMerger.DistillAtPlace(draft, network, images, _turn)).Message, because);
    }

    [TestMethod]
    public void Nothing_is_kept_and_nothing_of_the_callers_is_changed()
    {
        using var scope = torch.NewDisposeScope();
        var (networks, images) = Sites(isQuantized: true);
        using var draft = NetworkMerger.Merge(networks, images, _merging);
        var before = draft.ParametersSha256();
        LiveTensors.AssertUnchanged(() =>
            NetworkMerger.DistillAtPlace(draft, networks[0], images[0], _turn with { Steps = 3 }).Dispose());
        Assert.AreEqual(before, draft.ParametersSha256());
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        LiveTensors.AssertUnchanged(() => Assert.Throws<OperationCanceledException>(() => NetworkMerger.DistillAtPlace(
            draft, networks[0], images[0], _turn, cancellationToken: cancelled.Token)));
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>What a training leaves when it is ended is not gone on from with another teacher.</summary>
    [TestMethod]
    public void Training_goes_on_from_its_own_checkpoint_only()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryDirectory();
        var (networks, images) = Sites(isQuantized: false);
        using var draft = NetworkMerger.Merge(networks, images, _merging);
        var options = _turn with { Steps = 6, ImagesPerNetwork = 16, CheckpointDirectory = folder.Combine("kept") };
        using var expected = NetworkMerger.DistillAtPlace(
            draft, networks[0], images[0], options with { CheckpointDirectory = null, HoldWeight = 0 }, seed: 1);
        NetworkMerger.DistillAtPlace(draft, networks[0], images[0], options, seed: 1).Dispose();
        using var other = NetworkMerger.DistillAtPlace(
            draft, networks[0], images[0], options with { HoldWeight = 0 }, seed: 1);
        MergeCase.AssertSame(expected, other);
        Array.ForEach(networks, network => network.Dispose());
    }

    private static (Network[] Networks, torch.Tensor[] Images) Sites(bool isQuantized)
    {
        var (networks, images) = RefinedMergeTests.Sites(isQuantized);
        for (var d = 0; d < networks.Length; d++)
            InputGrams.Collect(networks[d], images[d], 32, default);
        return (networks, images);
    }
}

using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>Images that were given with other networks than those that were made on them.</summary>
[TestClass]
public sealed class PlaceCheckTests
{
    private static readonly MergeOptions _options = new() { AllowDifferentSources = true };

    private Network[] _networks = null!;
    private torch.Tensor[] _images = null!;
    private DisposeScope _scope = null!;

    /// <summary>Three places: in another place, brighter, with more contrast.</summary>
    [TestInitialize]
    public void Prepare()
    {
        _scope = torch.NewDisposeScope();
        _networks = [MergeCase.Linear(1), MergeCase.Linear(2), MergeCase.Linear(3)];
        _images = Images(1);
        var others = Images(2);
        for (var d = 0; d < 3; d++)
            InputGrams.Collect(_networks[d], others[d], 32, default);
    }

    [TestCleanup]
    public void CleanUp()
    {
        Array.ForEach(_networks, network => network.Dispose());
        _scope.Dispose();
    }

    [TestMethod]
    public void Images_in_the_order_of_the_networks_are_taken() => Merge(0, 1, 2).Dispose();

    [TestMethod]
    [DataRow(new[] { 1, 0, 2 }, "given for network 0 look like what network 1 was made on")]
    [DataRow(new[] { 0, 2, 1 }, "given for network 2 look like what network 1 was made on")]
    [DataRow(new[] { 1, 2, 0 }, "given for network 1 look like what network 2 was made on")]
    [DataRow(new[] { 0, 1, 0 }, "mixed up: those given for network 2 look like what network 0 was made on. Each")]
    [DataRow(new[] { 0, 0, 2 }, "mixed up: those given for network 1 look like what network 0 was made on. Each")]
    [DataRow(new[] { 0, 1, 1 }, "mixed up: those given for network 2 look like what network 1 was made on. Each")]
    [DataRow(new[] { 1, 1, 1 },
        "mixed up: those given for network 0 look like what network 1 was made on, those given for network 2")]
    public void Images_of_other_places_are_refused(int[] order, string message)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Merge(order));
        StringAssert.Contains(error.Message, message);
        StringAssert.Contains(error.Message, nameof(MergeOptions.AllowOtherImages));
        Merge(_options with { AllowOtherImages = true }, order).Dispose();
    }

    /// <summary>
    /// Neighbouring pixels are alike, and of their covariance a network carries a few directions. What is beside these
    /// is smaller in darker images, as it is in truth in all of them: that does not make them likelier.
    /// </summary>
    [TestMethod]
    public void Darker_images_are_not_likelier()
    {
        const int Inputs = 27;
        Network[] networks = [MergeCase.Linear(1, Inputs), MergeCase.Linear(2, Inputs)];
        var (images, others) = (Dark(3), Dark(4));
        for (var d = 0; d < 2; d++)
            InputGrams.Collect(networks[d], others[d], 256, default);
        NetworkMerger.Merge(networks, images, _options).Dispose();
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge(networks, [images[1], images[1]], _options)).Message,
            "given for network 0 look like what network 1 was made on");
        Array.ForEach(networks, network => network.Dispose());

        static torch.Tensor[] Dark(ulong seed)
        {
            using var generator = new torch.Generator(seed);
            return [.. ((double[])[1, 0.6]).Select(contrast =>
                torch.randn([256, Inputs], generator: generator).cumsum(1).cumsum(1).mul(contrast))];
        }
    }

    /// <summary>Without moments, or with noise on them, nothing can be told.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Networks_that_do_not_say_enough_are_merged(bool hasNoise)
    {
        _networks[0].Metadata = hasNoise
            ? _networks[0].Metadata.SetItem(
                NetworkMetadata.SentMoments,
                new SentMomentsReport(MomentsKind.LowRank, 256, new MomentNoise { Epsilon = 1 }).Write())
            : InputGrams.Without(_networks[0].Metadata);
        Merge(1, 2, 0).Dispose();
    }

    /// <summary>A place that measures a draft on another place's images.</summary>
    [TestMethod]
    public void Moments_of_other_images_are_refused()
    {
        using var draft = NetworkMerger.Merge(_networks, _options);
        MergeMoments[] right = [.. _networks.Select((network, d) => MergeMoments.Measure(draft, network, _images[d]))];
        MergeMoments[] wrong =
            [.. _networks.Select((network, d) => MergeMoments.Measure(draft, network, _images[(d + 1) % 3]))];
        NetworkMerger.MergeAgain(draft, _networks, right, _options).Dispose();
        var error = Assert.ThrowsExactly<ArgumentException>(
            () => NetworkMerger.MergeAgain(draft, _networks, wrong, _options));
        StringAssert.Contains(error.Message, "network 0 look like what network 1 was made on");
        Array.ForEach([.. right, .. wrong], moments => moments.Dispose());
    }

    private Network Merge(params int[] order) => Merge(_options, order);

    private Network Merge(MergeOptions options, int[] order) =>
        NetworkMerger.Merge(_networks, [.. order.Select(d => _images[d])], options);

    private static torch.Tensor[] Images(ulong seed)
    {
        using var generator = new torch.Generator(seed);
        return
        [
            torch.randn([256, 4], generator: generator), torch.randn([256, 4], generator: generator).add(0.7),
            torch.randn([256, 4], generator: generator).mul(1.5),
        ];
    }
}

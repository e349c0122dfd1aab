using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>What is kept between blocks, in memory and in files.</summary>
[TestClass]
public sealed class CacheTests
{
    [TestMethod]
    [DataRow("resnet", 0L)]
    [DataRow("resnet", 40_000L)]
    [DataRow("segformer", 0L)]
    [DataRow("segformer", 200_000L)]
    public void Results_do_not_depend_on_where_activations_are(string kind, long budget)
    {
        using var folder = new TemporaryDirectory();
        foreach (var isLayerByLayer in kind == "resnet" ? new[] { false, true } : [false])
            CollectionAssert.AreEqual(Train(kind, isLayerByLayer, long.MaxValue, folder.Path),
                Train(kind, isLayerByLayer, budget, folder.Path));
        Assert.IsEmpty(Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Files_and_tensors_are_gone_when_training_is_cancelled()
    {
        using var folder = new TemporaryDirectory();
        using var network = SmallNetworks.Residual();
        using var scope = torch.NewDisposeScope();
        var images = SmallNetworks.Random(1, 8, 3, 8, 8);
        using var quantized = SmallNetworks.Quantize(network, images, 4, 4);
        using var cancellation = new CancellationTokenSource();
        var training = HdrqTraining.Paper with { Iterations = 4, BatchSize = 4 };
        var calibration = new CalibrationOptions { CacheMemory = 3000, CacheDirectory = folder.Path };
        // In the third block: some values are in memory, others in files.
        var progress = new Reports(report =>
        {
            if (report.BlockIndex == 2)
                cancellation.Cancel();
        });
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<OperationCanceledException>(
                () => Reconstruction.Apply(quantized, images, network.Parameters, training, calibration, 1, progress,
                    cancellation.Token)));
        Assert.IsEmpty(Directory.GetFiles(folder.Path));
        Assert.IsEmpty(OpenFiles(folder.Path));
    }

    [TestMethod]
    public void Memory_is_given_out_up_to_the_limit_and_files_beyond_it()
    {
        using var folder = new TemporaryDirectory();
        using var scope = torch.NewDisposeScope();
        using var network = SmallNetworks.Build(builder => builder.Node("Relu", "y", ["x"]));
        var images = SmallNetworks.Random(1, 5, 2, 8, 8);
        using var input = ActivationCache.Of(images);
        // 5 images of 2 x 8 x 8 numbers of 4 bytes: 2,560.
        using var store = new ActivationStore(torch.CPU, 6000, folder.Path);
        var caches = Enumerable.Range(0, 3).Select(_ => store.Compute(network, [input], 2, BypassRounding.Instance))
            .ToList();
        CollectionAssert.AreEqual(new[] { true, true, false }, caches.Select(cache => cache.Memory is not null).ToArray());
        Assert.AreEqual(6000 - 2 * 2560, store.Free);
        foreach (var cache in caches)
            Assert.IsTrue(cache.Read(1, 3).equal(images.relu().narrow(0, 1, 3)).all().item<bool>());
        if (OperatingSystem.IsLinux())
            Assert.HasCount(1, OpenFiles(folder.Path));
        caches[0].Dispose();
        Assert.AreEqual(6000 - 2560, store.Free);
        using var again = store.Compute(network, [input], 2, BypassRounding.Instance);
        Assert.IsNotNull(again.Memory);
        store.Dispose();
        Assert.AreEqual(6000, store.Free);
        Assert.IsEmpty(OpenFiles(folder.Path));
        Assert.IsEmpty(Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Calibration_holds_no_more_than_a_pass_needs()
    {
        Assert.AreEqual(MostTensors(4), MostTensors(12));

        static long MostTensors(int layers)
        {
            using var network = SmallNetworks.Build(builder =>
            {
                var value = "x";
                for (var layer = 1; layer <= layers; layer++)
                    value = builder.Convolve(layer == layers ? "y" : $"layer{layer}", value);
            });
            using var scope = torch.NewDisposeScope();
            var images = SmallNetworks.Random(1, 12, 2, 8, 8);
            var sites = QuantizerSites.Find(network, QuantizerPlacement.Integer, 4, 4, [], reduceRange: true);
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            long most = 0;
            Calibration.Apply(network, sites, [images.narrow(0, 0, 6), images.narrow(0, 6, 6)], new(),
                perChannel: false, CancellationToken.None,
                createObserver: () => new Watching(
                    () => most = Math.Max(most, DisposeScopeManager.Statistics.ThreadTotalLiveCount - before)))
                    .Dispose();
            Assert.IsGreaterThan(0, most);
            return most;
        }
    }

    private static byte[] Train(string kind, bool isLayerByLayer, long budget, string folder)
    {
        using var scope = torch.NewDisposeScope();
        using var unfolded = kind == "resnet" ? ResNet.Cifar(8, 5, seed: 1, width: 4, inputSize: 8)
            : SegFormer.Create(0, 3, seed: 1);
        using var network = FoldBatchNormalization.Apply(unfolded);
        var images = kind == "resnet" ? SmallNetworks.Random(1, 8, 3, 8, 8) : SmallNetworks.Random(1, 3, 3, 32, 32);
        var calibration = new CalibrationOptions
        {
            Observer = RangeObserverKind.MinMax,
            CacheMemory = budget,
            CacheDirectory = folder
        };
        using var quantized = Calibration.Apply(
            network, QuantizerSites.Find(network, QuantizerPlacement.Integer, 4, 4, [], reduceRange: true), [images],
            calibration, perChannel: false, CancellationToken.None);
        BlockTraining training = isLayerByLayer ? QDropTraining.Paper with { IsLayerByLayer = true } : HdrqTraining.Paper;
        Reconstruction.Apply(quantized, images, network.Parameters, training with { Iterations = 2, BatchSize = 2 },
            calibration, 7, null, CancellationToken.None);
        return [.. quantized.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight)
            .SelectMany(parameter => quantized.Parameters[parameter.Name].bytes.ToArray())];
    }

    /// <summary>Files in a folder that this process has open, also those that have lost their names.</summary>
    private static string[] OpenFiles(string folder) => !OperatingSystem.IsLinux() ? []
        : [.. Directory.GetFiles("/proc/self/fd").Select(link => File.ResolveLinkTarget(link, false)?.FullName ?? "")
            .Where(target => target.StartsWith(folder, StringComparison.Ordinal))];

    private sealed class Watching(Action watch) : RangeObserver
    {
        protected override torch.Tensor Choose(torch.Tensor values, QuantizationRange range)
        {
            watch();
            return values.abs().amax([1]);
        }
    }

    private sealed class Reports(Action<QuantizationProgress> action) : IProgress<QuantizationProgress>
    {
        void IProgress<QuantizationProgress>.Report(QuantizationProgress value) => action(value);
    }
}

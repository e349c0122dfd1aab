using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class MergeFromFilesTests
{
    [TestMethod]
    public void Merging_files_is_merging_the_networks_bit_by_bit()
    {
        for (var bits = QuantizationRange.MinBits; bits <= QuantizationRange.MaxBits; bits++)
        {
            foreach (var perChannel in new[] { false, true })
            {
                using var a = Quantized(1, bits, perChannel);
                using var b = Quantized(2, bits, perChannel);
                using var fromA = Load(Save(a));
                using var fromB = Load(Save(b));
                var options = new MergeOptions { AllowDifferentSources = true };
                using var inMemory = NetworkMerger.Merge([a, b], options);
                using var fromFiles = NetworkMerger.Merge([fromA, fromB], options);
                MergeCase.AssertSame(inMemory, fromFiles);
                // The merged network is one of integers again, biases too, and its file holds all of it.
                Assert.IsTrue(IntegerNetwork.IsComplete(inMemory));
                Assert.IsNotEmpty(IntegerBias.Find(inMemory.Graph));
                using var again = Load(Save(inMemory));
                MergeCase.AssertSame(inMemory, again);
            }
        }
    }

    public static IEnumerable<(string, MergeOptions, bool)> Ways =>
    [
        ("default, integers", new(), true),
        ("default, full precision", new(), false),
        ("mean, integers", new() { Method = MergeMethod.Mean() }, true),
        ("mean, full precision", new() { Method = MergeMethod.Mean(), NetworkWeights = [0.5, 0.2, 0.3] }, false),
        ("best of 3, searched scales",
            new() { Method = MergeMethod.Mean(MergeRounding.BestOf(3, 1), searchScales: true) }, true),
        ("with moments kept", new() { KeepMoments = true }, true),
        ("differences", new() { Method = MergeMethod.AutomaticFrom(Source()) }, false),
        ("task arithmetic", new() { Method = MergeMethod.TaskArithmetic(Source()) }, true),
        ("TIES", new() { Method = MergeMethod.Ties(Source()) }, false),
    ];

    [TestMethod]
    [DynamicData(nameof(Ways))]
    public void One_network_after_another_gives_the_same_bytes(string name, MergeOptions options, bool isQuantized)
    {
        using var folder = new TemporaryDirectory();
        var files = Files(folder, isQuantized, hasMoments: name != "differences");
        var networks = files.Select(Network.LoadOnnx).ToList();
        using var inMemory = NetworkMerger.Merge(networks, options);
        var reports = new List<MergeProgress>();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (var fromFiles = NetworkMerger.MergeFiles(files, options, progress: new Reports(reports)))
        {
            MergeCase.AssertSame(inMemory, fromFiles);
            CollectionAssert.AreEqual(inMemory.Metadata.ToArray(), fromFiles.Metadata.ToArray());
            Assert.AreEqual(inMemory.MaxValueSize, fromFiles.MaxValueSize);
            Assert.IsNull(inMemory.Graph.FirstDifference(fromFiles.Graph));
        }
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        var layers = inMemory.Graph.Layers.MatrixProducts.Count();
        CollectionAssert.AreEqual(Enumerable.Range(1, files.Length + layers).ToArray(),
            reports.Select(report => report.Step).ToArray());
        CollectionAssert.AreEqual(files, reports.Take(files.Length).Select(report => report.Layer).ToArray());
        Assert.AreEqual(files.Length + layers, reports[^1].Steps);
        networks.ForEach(network => network.Dispose());
    }

    [TestMethod]
    public void Files_that_cannot_be_merged_are_refused_and_merging_ends_where_it_is_told()
    {
        using var folder = new TemporaryDirectory();
        var files = Files(folder, isQuantized: true);
        using var another = new TemporaryDirectory();
        var other = Files(another, isQuantized: false)[0];
        var missing = folder.Combine("missing.onnx");
        Assert.Contains(missing, Assert.ThrowsExactly<FileNotFoundException>(
            () => NetworkMerger.MergeFiles([files[0], missing])).Message);
        Assert.Contains("at least two networks; there are 1",
            Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.MergeFiles([files[0]])).Message);
        Assert.Contains("at least two networks; there are 0",
            Assert.ThrowsExactly<ArgumentException>(() => NetworkMerger.MergeFiles([])).Message);
        Assert.Contains("network 0 is quantized, and network 2 is not",
            Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.MergeFiles([files[0], files[1], other])).Message);
        Assert.ThrowsExactly<ArgumentException>(
            () => NetworkMerger.MergeFiles(files, new() { NetworkWeights = [0.5, 0.5] }));
        File.WriteAllText(missing, "not a network");
        Assert.Contains(missing, Assert.ThrowsExactly<InvalidDataException>(
            () => NetworkMerger.MergeFiles([files[0], missing])).Message);
        foreach (var step in new[] { 1, files.Length, files.Length + 2 })
        {
            using var cancelled = new CancellationTokenSource();
            var progress = new Reports([], report =>
            {
                if (report.Step == step)
                    cancelled.Cancel();
            });
            Assert.ThrowsExactly<OperationCanceledException>(
                () => NetworkMerger.MergeFiles(files, progress: progress, cancellationToken: cancelled.Token));
        }
    }

    private static string[] Files(TemporaryDirectory folder, bool isQuantized, bool hasMoments = true) =>
    [
        .. Enumerable.Range(0, 3).Select(site =>
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            using var source = Source();
            source.Metadata = source.Metadata.SetItem(NetworkMetadata.Source, "the same");
            using (TorchSharp.torch.no_grad())
            {
                foreach (var (_, weight) in source.Parameters.Where(parameter => parameter.Value.dim() == 4))
                    weight.add_(SmallNetworks.Random(site + 20, weight.shape).mul(0.05));
            }
            var images = SmallNetworks.Random(30 + site, 40, 3, 8, 8);
            using var network = isQuantized
                ? NetworkQuantizer.Quantize(
                source, images, SmallNetworks.Nearest with { WeightBits = 4, ActivationBits = 4, PerChannel = true,
                    Moments = new() }, seed: 1) : source.Clone();
            if (!isQuantized && hasMoments)
                InputGrams.Send(network, images, new SentMoments(), 8, CancellationToken.None);
            var file = folder.Combine($"{site}.onnx");
            network.SaveOnnx(file);
            return file;
        }),
    ];

    private static Network Source() => SmallNetworks.Residual();

    private sealed class Reports(List<MergeProgress> reports, Action<MergeProgress>? also = null) : IProgress<MergeProgress>
    {
        public void Report(MergeProgress value)
        {
            reports.Add(value);
            also?.Invoke(value);
        }
    }

    private static Network Quantized(int seed, int bits, bool perChannel)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using (TorchSharp.torch.no_grad())
        {
            foreach (var definition in network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight))
                network.Parameters[definition.Name].add_(SmallNetworks.Random(seed, definition.Shape.ToArray()), 0.1);
        }
        return NetworkQuantizer.Quantize(
            network, SmallNetworks.Random(10 + seed, 8, 3, 8, 8),
            SmallNetworks.Nearest with { WeightBits = bits, ActivationBits = bits, PerChannel = perChannel }, seed: 1);
    }
}

using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>A quantization that is stopped goes on after its last finished block, and gives the same bytes.</summary>
[TestClass]
public sealed class BlockCheckpointTests
{
    private const int Steps = 3;

    private readonly TemporaryDirectory _folder = new();
    private readonly Network _network = SmallNetworks.Residual();
    private readonly torch.Tensor _images = SmallNetworks.Random(1, 8, 3, 8, 8);

    private string Checkpoints => _folder.Combine("checkpoints");

    [TestCleanup]
    public void CleanUp()
    {
        _images.Dispose();
        _network.Dispose();
        _folder.Dispose();
    }

    private static IEnumerable<TestDataRow<QuantizationOptions>> Methods =>
        new QuantizationOptions[]
        {
            new HdrqOptions { Training = new() { Iterations = Steps } },
            new HdrqOptions { Training = new() { Iterations = Steps, TrainBiases = true }, CorrectBiases = true },
            new QDropOptions { Training = new() { Iterations = Steps } },
            new BrecqOptions { Training = new() { Iterations = Steps } },
            new AdaRoundOptions { Training = new() { Iterations = Steps } },
        }.Select((options, i) => new TestDataRow<QuantizationOptions>(options with { WeightBits = 3, ActivationBits = 3 })
        { DisplayName = $"{i} {options.Method}" });

    [TestMethod]
    [DynamicData(nameof(Methods))]
    public void It_goes_on_after_the_last_finished_block_wherever_it_was_stopped(QuantizationOptions options)
    {
        var (whole, blocks) = Quantize(options);
        Assert.IsGreaterThan(3, blocks.Count);
        foreach (var stopped in blocks)
        {
            // In the middle of the block, so that a part of its work is lost.
            Assert.ThrowsExactly<OperationCanceledException>(
                () => Quantize(options with { CheckpointDirectory = Checkpoints }, stopsIn: stopped));
            var (resumed, trained) = Quantize(options with { CheckpointDirectory = Checkpoints });
            CollectionAssert.AreEqual(whole, resumed, $"block {stopped}");
            CollectionAssert.AreEqual(blocks.Where(block => block >= stopped).ToList(), trained, $"block {stopped}");
            Directory.Delete(Checkpoints, recursive: true);
        }
    }

    [TestMethod]
    public void A_shared_weight_has_after_each_block_the_value_that_it_had_then()
    {
        using var network = SmallNetworks.Build(builder =>
        {
            var first = builder.Convolve("first", "x");
            var shared = builder.Parameter("shared", SmallNetworks.Random(5, 2, 2, 3, 3).mul(0.3));
            var a = builder.Node("Conv", "a", [builder.Node("Relu", "r1", [first]), shared],
                ("pads", new long[] { 1, 1, 1, 1 }));
            var b = builder.Node("Conv", "b", [builder.Node("Relu", "r2", [a]), shared],
                ("pads", new long[] { 1, 1, 1, 1 }));
            builder.Convolve("y", builder.Node("Relu", "r3", [b]));
        });
        using var images = SmallNetworks.Random(1, 8, 2, 8, 8);
        var options = new HdrqOptions
        {
            WeightBits = 3,
            ActivationBits = 3,
            Training = new() { Iterations = 20, WeightLearningRate = 1e-2 }
        };
        var (whole, blocks) = Quantize(options, network: network, images: images);
        foreach (var stopped in blocks)
        {
            Assert.ThrowsExactly<OperationCanceledException>(() => Quantize(
                options with { CheckpointDirectory = Checkpoints }, stopsIn: stopped, network: network, images: images));
            CollectionAssert.AreEqual(
                whole, Quantize(options with { CheckpointDirectory = Checkpoints }, network: network,
                    images: images).Network);
            Directory.Delete(Checkpoints, recursive: true);
        }
    }

    [TestMethod]
    public void Only_the_same_job_takes_a_checkpoint_up()
    {
        var options = Checkpointed(new HdrqOptions
        {
            WeightBits = 3,
            ActivationBits = 3,
            Training = new() { Iterations = Steps }
        });
        var (whole, blocks) = Quantize(options);
        Assert.IsEmpty(Quantize(options).Blocks);
        Assert.HasCount(blocks.Count, Directory.GetFiles(Checkpoints));

        using var otherImages = SmallNetworks.Random(2, 8, 3, 8, 8);
        using var other = _network.Clone();
        using (torch.no_grad())
            other.Parameters.First(parameter => parameter.Key.EndsWith("weight", StringComparison.Ordinal)).Value.mul_(
                Scalars.Keep(1.01));
        (string Other, Func<List<int>> Trained)[] jobs =
        [
            ("seed", () => Quantize(options, seed: 2).Blocks),
            ("images", () => Quantize(options, images: otherImages).Blocks),
            ("network", () => Quantize(options, network: other).Blocks),
            ("source", () => Quantize(options with { Source = other }).Blocks),
            ("bits", () => Quantize(options with { WeightBits = 4 }).Blocks),
            ("method", () => Quantize(Checkpointed(new QDropOptions { Training = new() { Iterations = Steps } })).Blocks),
            ("steps", () => Quantize(options with { Training = options.Training with { Iterations = Steps + 1 } }).Blocks),
            ("rate", () => Quantize(options with { Training = options.Training with { WeightLearningRate = 1e-3 } }).Blocks),
            ("threads", () => OnThreads(torch.get_num_threads() + 1, () => Quantize(options).Blocks)),
        ];
        foreach (var (name, trained) in jobs)
            Assert.AreEqual(0, trained()[0], $"{name}: a block of another job was taken over.");
        // They did not disturb it.
        CollectionAssert.AreEqual(whole, Quantize(options).Network);
        Assert.IsEmpty(Quantize(options).Blocks);
    }

    [TestMethod]
    [DataRow("empty")]
    [DataRow("cut")]
    [DataRow("longer")]
    [DataRow("a bit")]
    [DataRow("another block")]
    [DataRow("another job")]
    [DataRow("a folder")]
    [DataRow("missing")]
    public void What_is_damaged_is_trained_again(string damage)
    {
        var options = Checkpointed(new HdrqOptions
        {
            WeightBits = 3,
            ActivationBits = 3,
            Training = new() { Iterations = Steps }
        });
        var (whole, blocks) = Quantize(options);
        const int damaged = 2;
        var path = PathOf(damaged);
        var bytes = File.ReadAllBytes(path);
        switch (damage)
        {
            case "empty":
                File.WriteAllBytes(path, []);
                break;
            case "cut":
                File.WriteAllBytes(path, bytes[..(bytes.Length / 2)]);
                break;
            case "longer":
                File.WriteAllBytes(path, [.. bytes, 0]);
                break;
            case "a bit":
                bytes[bytes.Length / 2] ^= 1;
                File.WriteAllBytes(path, bytes);
                break;
            case "another block":
                File.Copy(PathOf(damaged + 1), path, overwrite: true);
                break;
            case "another job":
                Quantize(options with { CheckpointDirectory = _folder.Combine("other") }, seed: 2);
                File.Copy(Directory.GetFiles(_folder.Combine("other"), $"*-block-{damaged}.checkpoint").Single(), path,
                    overwrite: true);
                break;
            case "a folder":
                File.Delete(path);
                Directory.CreateDirectory(path);
                break;
            default:
                File.Delete(path);
                break;
        }
        var (resumed, trained) = Quantize(options);
        CollectionAssert.AreEqual(whole, resumed);
        CollectionAssert.AreEqual(blocks.Where(block => block >= damaged).ToList(), trained);
        // It has been replaced, where something can take its place.
        if (damage == "a folder")
            Directory.Delete(path);
        else
            Assert.IsEmpty(Quantize(options).Blocks);
    }

    [TestMethod]
    public void Work_goes_on_where_no_checkpoint_can_be_written_and_says_so_once()
    {
        var options = new HdrqOptions
        {
            WeightBits = 3,
            ActivationBits = 3,
            Training = new() { Iterations = Steps },
            Moments = SentMoments.Nothing
        };
        var (whole, _) = Quantize(options);
        // A file where the folder should be, made after the options were checked.
        var warnings = new List<string>();
        var reports = new Reports(report =>
        {
            if (report is { BlockIndex: 0, Step: 1 })
                File.WriteAllText(Checkpoints, "");
        });
        using var quantized = NetworkQuantizer.Quantize(
            _network, _images, options with { CheckpointDirectory = Checkpoints, Progress = reports }, 1, warnings.Add,
            CancellationToken.None);
        CollectionAssert.AreEqual(whole, Bytes(quantized));
        Assert.HasCount(1, warnings);
        StringAssert.StartsWith(warnings[0],
            $"no checkpoint can be written to '{Checkpoints}', and the work goes on without: ");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Work_goes_on_where_the_disk_is_full()
    {
        var options = Checkpointed(new HdrqOptions
        {
            WeightBits = 3,
            ActivationBits = 3,
            Training = new() { Iterations = Steps },
            Moments = SentMoments.Nothing
        });
        var (whole, blocks) = Quantize(options with { CheckpointDirectory = null });
        Directory.CreateDirectory(Checkpoints);
        if (!Mounts("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", Checkpoints))
            Assert.Inconclusive("A small file system takes the rights to mount one.");
        try
        {
            var warnings = new List<string>();
            using var quantized = NetworkQuantizer.Quantize(
                _network, _images, options, 1, warnings.Add, CancellationToken.None);
            CollectionAssert.AreEqual(whole, Bytes(quantized));
            Assert.HasCount(1, warnings);
            StringAssert.Contains(warnings[0], "No space left on device");
            // What had room is whole, and nothing else is left.
            Assert.IsLessThan(blocks.Count, Quantize(options).Blocks.Count);
            Assert.IsEmpty(Directory.GetFiles(Checkpoints, "*.unfinished"));
        }
        finally
        {
            Assert.IsTrue(Mounts("umount", Checkpoints));
        }

        static bool Mounts(string command, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }

    [TestMethod]
    [DataRow("")]
    [DataRow(" ")]
    [DataRow("a\0b")]
    public void What_is_no_folder_is_refused(string directory)
    {
        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Quantize(new HdrqOptions { CheckpointDirectory = directory }));
        StringAssert.StartsWith(exception.Message, $"CheckpointDirectory is '{directory}', which is not a folder.");
    }

    private T Checkpointed<T>(T options) where T
        : QuantizationOptions => (T)(options with { CheckpointDirectory = Checkpoints });

    private string PathOf(int block) => Directory.GetFiles(Checkpoints, $"*-block-{block}.checkpoint").Single();

    private static T OnThreads<T>(int threads, Func<T> call)
    {
        var before = torch.get_num_threads();
        torch.set_num_threads(threads);
        try
        {
            return call();
        }
        finally
        {
            torch.set_num_threads(before);
        }
    }

    /// <returns>The network as ONNX, and the blocks that were trained.</returns>
    private (byte[] Network, List<int> Blocks) Quantize(
        QuantizationOptions options, int seed = 1, int? stopsIn = null, Network? network = null, torch.Tensor? images = null)
    {
        using var end = new CancellationTokenSource();
        var blocks = new List<int>();
        var reports = new Reports(report =>
        {
            if (report.Step == 1)
                blocks.Add(report.BlockIndex);
            if (report.BlockIndex == stopsIn && report.Step == 2)
                end.Cancel();
        });
        using var quantized = NetworkQuantizer.Quantize(
            network ?? _network, images ?? _images, options with { Progress = reports }, seed, end.Token);
        return (Bytes(quantized), blocks);
    }

    private static byte[] Bytes(Network network)
    {
        using var stream = new MemoryStream();
        network.SaveOnnx(stream);
        return stream.ToArray();
    }

    private sealed class Reports(Action<QuantizationProgress> receive) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value) => receive(value);
    }
}

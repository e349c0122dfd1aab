using Microsoft.ML.Hdrq.Tool.Jobs;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
[DoNotParallelize]
public sealed class SideBySideTests
{
    private static readonly JobOptions Options = new() { Data = "" };

    private static readonly int[] _pieces = [.. Enumerable.Range(0, 6)];

    [TestMethod]
    // Places, cores, GiB; asked for: at once, threads, GPU.
    [DataRow(3, 2, 24, null, null, null, 2)]
    [DataRow(3, 64, 256, null, null, null, 3)]
    [DataRow(3, 1, 24, null, null, null, 1)]
    [DataRow(8, 16, 9, null, null, null, 2)]
    [DataRow(8, 16, 1, null, null, null, 1)]
    [DataRow(3, 16, 64, null, 4, null, 1)]
    [DataRow(3, 16, 64, null, null, 0, 1)]
    [DataRow(3, 16, 64, 2, 4, null, 2)]
    [DataRow(3, 1, 1, 2, null, null, 2)]
    [DataRow(3, 16, 64, 9, null, 0, 3)]
    public void As_many_are_made_at_once_as_cores_and_memory_are_there_for(
        int places, int cores, int memory, int? atOnce, int? threads, int? gpu, int expected) =>
        Assert.AreEqual(expected, SideBySide.Of(
            Options with { AtOnce = atOnce, Threads = threads, GpuDeviceId = gpu }, places, cores,
            (long)memory << 30).AtOnce);

    [TestMethod]
    // Cores, at once, threads asked for, and those of each.
    [DataRow(5, 2, null, 2)]
    [DataRow(2, 3, null, 1)]
    [DataRow(5, 2, 4, 4)]
    public void Each_has_its_share_of_the_threads(int cores, int atOnce, int? threads, int expected)
    {
        var before = torch.get_num_threads();
        var seen = Run(SideBySide.Of(Options with { AtOnce = atOnce, Threads = threads }, 6, cores, long.MaxValue),
            (_, _) => torch.get_num_threads());
        CollectionAssert.AreEqual(Enumerable.Repeat(expected, 6).ToArray(), seen);
        Assert.AreEqual(before, torch.get_num_threads());
        // What begins afterwards has what the process had before.
        var later = 0;
        var thread = new Thread(() => later = torch.get_num_threads());
        thread.Start();
        thread.Join();
        Assert.AreEqual(before, later);
    }

    [TestMethod]
    public void As_many_run_at_the_same_time_as_were_asked_for_and_results_are_in_order()
    {
        using var both = new Barrier(2);
        var (now, most) = (0, 0);
        var results = Run(SideBySide.Of(Options with { AtOnce = 2 }, 6, 2, long.MaxValue), (piece, token) =>
        {
            lock (both)
                most = Math.Max(most, ++now);
            // Fails unless another one is at work as well.
            Assert.IsTrue(both.SignalAndWait(TimeSpan.FromMinutes(1), token));
            lock (both)
                now--;
            return piece;
        });
        CollectionAssert.AreEqual(_pieces, results);
        Assert.AreEqual(2, most);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void What_fails_ends_the_others_and_leaves_nothing(int atOnce)
    {
        var made = new List<Made>();
        var begun = 0;
        using var fails = new ManualResetEventSlim();
        var failure = Assert.ThrowsExactly<InvalidDataException>(
            () => SideBySide.Of(Options with { AtOnce = atOnce }, 6, 2, long.MaxValue).Run(_pieces, (piece, _, token) =>
        {
            Interlocked.Increment(ref begun);
            if (piece == 1)
            {
                fails.Set();
                throw new InvalidDataException("fog");
            }
            if (piece == 0 && atOnce == 2)
            {
                fails.Wait(CancellationToken.None);
                Assert.IsTrue(token.WaitHandle.WaitOne(TimeSpan.FromMinutes(1)));
            }
            lock (made)
            {
                made.Add(new(piece));
                return made[^1];
            }
        }, CancellationToken.None));
        Assert.AreEqual("fog", failure.Message);
        Assert.AreEqual(2, begun);
        Assert.IsTrue(made.TrueForAll(one => one.IsDisposed));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Cancelling_ends_all(int atOnce)
    {
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(
            () => SideBySide.Of(Options with { AtOnce = atOnce }, 6, 2, long.MaxValue)
            .Run<int, Made>(_pieces, (_, _, token) =>
        {
            cancellation.Cancel();
            token.ThrowIfCancellationRequested();
            throw new InvalidOperationException("It was not cancelled.");
        }, cancellation.Token));
    }

    [TestMethod]
    public void What_is_cancelled_before_it_begins_gives_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(
            () => SideBySide.Of(Options, 6, 1, long.MaxValue).Run(_pieces, (piece, _, _) =>
        {
            // Work that does not look: what comes after it is not begun.
            cancellation.Cancel();
            return new Made(piece);
        }, cancellation.Token));
    }

    [TestMethod]
    [DataRow("classes")]
    [DataRow("masks")]
    public void Networks_and_results_are_those_that_are_made_one_after_the_other(string data)
    {
        using var folder = new TemporaryDirectory();
        if (data == "classes")
        {
            TestImages.WriteClasses(folder.Combine("data"), ["clear", "fog", "night", "rain"], ["bar", "dot", "ring"],
                train: 12);
            TestNetworks.WriteClassifier(folder.Combine("network.onnx"));
        }
        else
        {
            TestImages.WriteMasks(folder.Combine("data"), ["day", "fog", "night", "rain"], ["sky", "road", "car"], train: 4);
            TestNetworks.WriteSegmenter(folder.Combine("network.onnx"));
        }
        foreach (var atOnce in new[] { 1, 3 })
        {
            CommandLine.Run(
                "run", "--data", folder.Combine("data"), "--network", folder.Combine("network.onnx"), "--bits", "4,4",
                "--iterations", "2", "--adaptation-epochs", "1",
                "--threads", "1", "--at-once", $"{atOnce}", "--output", folder.Combine($"{atOnce}")).Done();
        }
        var files = Files("1");
        CollectionAssert.AreEqual(files, Files("3"));
        foreach (var file in files.Where(file => Path.GetExtension(file) is ".onnx" or ".scores" or ".json" or ".svg"))
            CollectionAssert.AreEqual(File.ReadAllBytes(folder.Combine("1", file)),
                File.ReadAllBytes(folder.Combine("3", file)), file);

        string[] Files(string run) =>
            [.. Directory.GetFiles(folder.Combine(run)).Select(file => Path.GetFileName(file)!)
            .Order(StringComparer.Ordinal)];
    }

    private static int[] Run(SideBySide workers, Func<int, CancellationToken, int> work) =>
        [.. workers.Run(_pieces, (piece, _, token) => new Made(work(piece, token)), CancellationToken.None)
            .Select(made => made.Value)];

    private sealed class Made(int value) : IDisposable
    {
        public int Value => value;

        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}

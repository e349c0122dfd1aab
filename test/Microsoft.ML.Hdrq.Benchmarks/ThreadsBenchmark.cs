using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// Quantizing on one thread and on all, alone and beside a neighbour that never rests, and two networks side by side.
/// </summary>
internal static class ThreadsBenchmark
{
    private const string Name = "threads";
    private const int Steps = 30;

    /// <summary>Measures ResNet-20 and ResNet-18, all blocks for few steps.</summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="repetitions">Turns, at least 1.</param>
    public static void Run(SpeedTable table, int repetitions)
    {
        using (var network = ResNet.Cifar(20, 10, seed: 1))
            Measure(table, "ResNet-20 at 32 x 32", network, 32, 32, repetitions);
        using (var network = ResNet.ImageNet(18, 10, seed: 1))
            Measure(table, "ResNet-18 at 224 x 224", network, 224, 8, repetitions);
    }

    private static void Measure(SpeedTable table, string where, Network network, int size, int images, int repetitions)
    {
        using var scope = torch.NewDisposeScope();
        var (all, rows) = (torch.get_num_threads(), torch.rand([images, 3, size, size], generator: new torch.Generator(1)));
        var each = Math.Max(1, all / 2);
        (string What, Action Action)[] ways =
        [
            ("1 thread", () => Quantize(1)),
            ($"{all} threads", () => Quantize(all)),
            ("1 thread, busy neighbour", () => Beside(() => Quantize(1))),
            ($"{all} threads, busy neighbour", () => Beside(() => Quantize(all))),
            ($"two networks one after the other, {all} threads", () =>
            {
                Quantize(all);
                Quantize(all);
            }),
            ($"two networks side by side, {each} threads each", () =>
            {
                var other = new Thread(() => Quantize(each));
                other.Start();
                Quantize(each);
                other.Join();
            }),
        ];
        var times = Turns.TakeOnce([.. ways.Select(way => way.Action)], repetitions);
        foreach (var (way, time) in ways.Zip(times))
            table.Add(Name, where, way.What, time / 1000, "s", time / times[0], $"of {ways[0].What}");

        void Quantize(int threads)
        {
            using var modes = new TorchModes(threads: threads);
            NetworkQuantizer.Quantize(network, rows, new HdrqOptions
            {
                Source = network,
                Training = new() { Iterations = Steps, BatchSize = images / 2 },
                Calibration = new() { Observer = RangeObserverKind.MinMax },
                Moments = SentMoments.Nothing,
            }, seed: 1).Dispose();
        }
    }

    /// <summary>Beside a thread that takes a core for itself.</summary>
    private static void Beside(Action action)
    {
        var isOver = false;
        var neighbour = new Thread(() =>
        {
            while (!Volatile.Read(ref isOver))
                Thread.SpinWait(1000);
        });
        neighbour.Start();
        action();
        Volatile.Write(ref isOver, true);
        neighbour.Join();
    }
}

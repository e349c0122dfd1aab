using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Scoring;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>Applications that dispose a transformer while others score with it, read its views, or hold a cursor.</summary>
internal static class Disposal
{
    private const int Size = 8;
    private const int Threads = 3;

    /// <summary>Races, each in a process of its own, which must end by itself.</summary>
    public static void Run(int seed, int races, Log log)
    {
        foreach (var engine in Enum.GetNames<ScoringEngineKind>().Where(name => name != "Automatic"))
        {
            var wrong = new List<string>();
            for (var race = 0; race < races; race++)
            {
                var (exitCode, output, error) = Children.Run(Environment.ProcessPath!, [
                    "race", "--engine", engine, "--seed", (seed + race).ToString(CultureInfo.InvariantCulture)]);
                if (exitCode != 0)
                    wrong.Add($"race {seed + race}: exit code {exitCode} {output.Trim()} {error.Trim()}");
            }
            log.Check(engine, wrong.Count == 0, $"{races - wrong.Count} of {races} in order {string.Join('\n', wrong)}");
        }
    }

    /// <summary>One race; what is not an <see cref="ObjectDisposedException"/> ends the process.</summary>
    public static void Race(string engine, int seed)
    {
        var (ml, random) = (new MLContext(seed: 1), new Random(seed));
        using var network = ResNet.Cifar(8, 5, seed: 1, width: 4, Size);
        var pixels = Enumerable.Range(0, 64).Select(_ => new Corpus.Row { Pixels = new float[3 * Size * Size] });
        var rows = ml.Data.LoadFromEnumerable(pixels, Corpus.Schema(Size));
        var options = new ScoringOptions { Engine = Enum.Parse<ScoringEngineKind>(engine), BatchSize = 8 };
        for (var turn = 0; turn < 10; turn++)
        {
            var applied = ml.Transforms.ApplyNetwork("Score", "Pixels", network, options).Fit(rows);
            var view = applied.Transform(rows);
            using var cursor = view.GetRowCursor(view.Schema);
            var score = cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]);
            using var ready = new Barrier(Threads + 1);
            var threads = Enumerable.Range(0, Threads).Select(_ => new Thread(() =>
            {
                ready.SignalAndWait();
                UntilDisposed(() => Read(view));
            })).ToList();
            threads.ForEach(thread => thread.Start());
            ready.SignalAndWait();
            Thread.Sleep(random.Next(30));
            applied.Dispose();
            UntilDisposed(() =>
            {
                VBuffer<float> values = default;
                if (!cursor.MoveNext())
                    throw new InvalidOperationException("The cursor of a disposed transformer ended as if all were read.");
                score(ref values);
            });
            UntilDisposed(() => Read(applied.Transform(rows)));
            threads.ForEach(thread => thread.Join());
        }
    }

    private static void Read(IDataView view) => _ = view.GetColumn<float[]>("Score").ToList();

    private static void UntilDisposed(Action action)
    {
        try
        {
            while (true)
                action();
        }
        catch (ObjectDisposedException)
        {
        }
    }
}

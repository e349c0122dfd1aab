using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>
/// Disposes what other threads use. With public types only and without a test framework, so that programs can link it
/// and race in processes of their own: native code that reads freed memory ends the process, sometimes.
/// </summary>
public static class DisposalRaces
{
    private const int Size = 24;
    private const int Rows = 48;

    /// <summary>Races once in each way.</summary>
    /// <param name="engine">The engine that scores.</param>
    /// <param name="seed">Says when things are disposed.</param>
    /// <exception cref="InvalidOperationException">Something else came of it than is documented.</exception>
    public static void Run(ScoringEngineKind engine, int seed)
    {
        var random = new Random(seed);
        var ml = new MLContext(1);
        var data = Data(ml);
        using var network = Network();
        ScoreWhileDisposed(ml, data, network, engine, random);
        ReadAfterwards(ml, data, network, engine);
        SaveWhileDisposed(ml, data, network, engine, random);
        ComputeWhileDisposed(network, random);
        FitWhileDisposed(ml, data, network, engine, random);
    }

    private static void ScoreWhileDisposed(
        MLContext ml, IDataView data, Network network, ScoringEngineKind engine, Random random)
    {
        using var expected = Transformer(ml, data, network, engine);
        var scores = Scores(expected.Transform(data));
        using var transformer = Transformer(ml, data, network, engine);
        var view = transformer.Transform(data);
        // Now and then the engine is made while the transformer is disposed.
        if (random.Next(3) > 0)
            _ = Scores(view);
        Race(random, transformer, "NetworkTransformer", () =>
        {
            var now = Scores(view);
            for (var i = 0; i < now.Length; i++)
            {
                if (Math.Abs(now[i] - scores[i]) > 1e-4f)
                    throw new InvalidOperationException($"Score {i} is {now[i]} instead of {scores[i]}.");
            }
        });
    }

    /// <summary>Views and cursors outlive their transformer.</summary>
    private static void ReadAfterwards(MLContext ml, IDataView data, Network network, ScoringEngineKind engine)
    {
        var transformer = Transformer(ml, data, network, engine);
        var view = transformer.Transform(data);
        using var opened = view.GetRowCursor(view.Schema);
        using var read = view.GetRowCursor(view.Schema);
        var (first, second) = (
            opened.GetGetter<VBuffer<float>>(view.Schema["Score"]), read.GetGetter<VBuffer<float>>(view.Schema["Score"]));
        var value = default(VBuffer<float>);
        read.MoveNext();
        second(ref value);
        transformer.Dispose();
        transformer.Dispose();
        // What was scored before stays: the first batch.
        second(ref value);
        Refused("NetworkTransformer", () =>
        {
            opened.MoveNext();
            first(ref value);
        });
        Refused("NetworkTransformer", () =>
        {
            while (read.MoveNext())
                second(ref value);
        });
        Refused("NetworkTransformer", () => Scores(view));
        Refused("NetworkTransformer", () => view.GetRowCursor(view.Schema));
        Refused("NetworkTransformer", () => transformer.Transform(data));
        // Columns of the data need no network.
        if (view.GetColumn<int>("Number").Count() != Rows)
            throw new InvalidOperationException("The data's own columns cannot be read any more.");
    }

    private static void SaveWhileDisposed(
        MLContext ml, IDataView data, Network network, ScoringEngineKind engine, Random random)
    {
        using var transformer = Transformer(ml, data, network, engine);
        Race(random, transformer, "NetworkTransformer", () =>
        {
            using var file = new MemoryStream();
            ml.Model.Save(transformer, data.Schema, file);
        }, count: 1);
    }

    private static void ComputeWhileDisposed(Network network, Random random)
    {
        using var copy = network.Clone();
        Race(random, copy, "Network", () =>
        {
            using var scope = torch.NewDisposeScope();
            using var input = torch.ones(4, 3, Size, Size);
            copy.Forward(input).Dispose();
            copy.Clone().Dispose();
            _ = copy.ParametersSha256();
        });
    }

    /// <summary>A network that others are made from is disposed with its transformer.</summary>
    private static void FitWhileDisposed(
        MLContext ml, IDataView data, Network network, ScoringEngineKind engine, Random random)
    {
        using var source = Transformer(ml, data, network, engine);
        var view = source.Transform(data);
        Race(random, source, "Network", () =>
        {
            using var adapted = ml.Transforms
                .AdaptNetwork("Adapted", "Score", new() { Epochs = 1, BatchSize = 24 })
                .Fit(view);
        }, count: 1);
    }

    /// <summary>Repeats work on threads until it is refused, because something is disposed meanwhile.</summary>
    private static void Race(Random random, IDisposable owner, string name, Action work, int count = 2)
    {
        using var begun = new CountdownEvent(count);
        var faults = new Exception?[count];
        var threads = Enumerable.Range(0, count).Select(number => new Thread(() =>
        {
            begun.Signal();
            try
            {
                for (; ; )
                    work();
            }
            catch (Exception exception)
            {
                faults[number] = exception;
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        begun.Wait();
        Thread.Sleep(random.Next(30));
        owner.Dispose();
        threads.ForEach(thread => thread.Join());
        foreach (var fault in faults)
            Check(name, fault);
    }

    private static void Refused(string name, Action work)
    {
        Exception? fault = null;
        try
        {
            work();
        }
        catch (Exception exception)
        {
            fault = exception;
        }
        Check(name, fault);
    }

    private static void Check(string name, Exception? fault)
    {
        if (fault is not ObjectDisposedException disposed
            || !disposed.ObjectName.EndsWith($".{name}", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"{name} was disposed, and what came of it is: {fault}", fault);
        }
    }

    private static NetworkTransformer Transformer(
        MLContext ml, IDataView data, Network network, ScoringEngineKind engine) =>
        ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { Engine = engine, BatchSize = 16, Threads = 1 })
            .Fit(data);

    private static float[] Scores(IDataView view) =>
        [.. view.GetColumn<VBuffer<float>>("Score").SelectMany(row => row.DenseValues())];

    private static IDataView Data(MLContext ml)
    {
        var random = new Random(1);
        var definition = SchemaDefinition.Create(typeof(Row));
        definition[nameof(Row.Pixels)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, Size, Size);
        return ml.Data.LoadFromEnumerable(Enumerable.Range(0, Rows).Select(number => new Row
        {
            Pixels = [.. Enumerable.Range(0, 3 * Size * Size).Select(_ => random.NextSingle())],
            Number = number,
            Label = 1 + (uint)number % 5,
        }).ToArray(), definition);
    }

    private static Network Network()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        using var generator = new torch.Generator(1);
        builder.Input("input", -1, 3, Size, Size);
        builder.Parameter("conv.weight", torch.randn([24, 3, 5, 5], generator: generator).mul(0.1f));
        builder.Parameter("linear.weight", torch.randn([5, 24], generator: generator));
        builder.Node("Conv", "conv", ["input", "conv.weight"], ("pads", new long[] { 2, 2, 2, 2 }));
        builder.Node("Relu", "relu", ["conv"]);
        builder.Node("GlobalAveragePool", "pool", ["relu"]);
        builder.Node("Flatten", "flat", ["pool"]);
        builder.Node("Gemm", "scores", ["flat", "linear.weight"], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 5]));
    }

    private sealed class Row
    {
        public float[] Pixels { get; set; } = [];

        public int Number { get; set; }

        [KeyType(5)]
        public uint Label { get; set; }
    }
}

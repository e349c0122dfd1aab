using System.IO.Compression;
using Google.Protobuf;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Scoring;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>
/// Makes damaged files and does with each what a user does: reads it, scores with both engines, merges it with itself,
/// writes it. A process of its own, which says before and after each what it is at; the one that started it sees when it
/// dies, hangs or takes too much memory.
/// </summary>
internal sealed class Mutants(string corpus, int seed)
{
    /// <summary>
    /// As an application sets it that reads the files of strangers: a well-formed file may ask for as much work as its
    /// values are large.
    /// </summary>
    private static readonly OnnxLoadOptions _limits = new() { MaxValueSize = 64 << 20 };

    /// <summary>A user may ask for rows of any size; more than this says nothing of the file.</summary>
    private const long LargestRow = 1 << 20;

    private readonly string[] _files =
        [.. Directory.GetFiles(corpus).Where(path => path.EndsWith(".onnx", StringComparison.Ordinal)
            || path.EndsWith(".zip", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    /// <summary>Tries mutants, one line before each and each thing that is done with it, and one after.</summary>
    public void Run(long first, long end)
    {
        for (var index = first; index < end; index++)
        {
            Say("begin", index);
            var (name, bytes) = Make(index);
            var outcome = "";
            // On a thread of its own: ONNX Runtime's kernels for AMX leave their tiles in the registers of the thread, and
            // the frame of a signal with them is larger than the stack that .NET has for it, so that there any null
            // reference of managed code, such as ML.NET's, ends the process.
            var thread = new Thread(() => outcome = name.EndsWith(".zip", StringComparison.Ordinal)
                ? UseModel(bytes, Corpus.SizeOf(name))
                : Use(bytes, () => Say("at", index)));
            thread.Start();
            thread.Join();
            Say("end", index, outcome);
        }

        static void Say(string what, long index, string? outcome = null) =>
            Console.WriteLine(FormattableString.Invariant($"{what} {index} {outcome}"));
    }

    /// <summary>One mutant, the same for the same corpus, seed and number.</summary>
    public (string Name, byte[] Bytes) Make(long index)
    {
        var random = new Random(unchecked((int)(seed * 1_000_003L + index)));
        var path = _files[index % _files.Length];
        var file = File.ReadAllBytes(path);
        if (path.EndsWith(".zip", StringComparison.Ordinal))
            return (Path.GetFileName(path), DamageModel(file, random));
        return (Path.GetFileName(path), DamageNetwork(file, random));
    }

    private static byte[] DamageNetwork(byte[] file, Random random)
    {
        if (random.Next(4) == 0)
            return Damage.Bytes(file, random);
        var model = ModelProto.Parser.ParseFrom(file);
        Damage.Message(random.Next(4) == 0 && model.MetadataProps.Count > 0
            ? model.MetadataProps[random.Next(model.MetadataProps.Count)]
            : model, random);
        return model.ToByteArray();
    }

    /// <summary>A model of ML.NET with a damaged network in it, or damaged itself.</summary>
    private static byte[] DamageModel(byte[] file, Random random)
    {
        if (random.Next(4) == 0)
            return Damage.Bytes(file, random);
        using var stream = new MemoryStream();
        stream.Write(file);
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            var entry = archive.Entries.First(entry => entry.Name == "OnnxModel");
            byte[] content;
            using (var reader = new BinaryReader(entry.Open()))
                content = reader.ReadBytes(reader.ReadInt32());
            var name = entry.FullName;
            entry.Delete();
            content = DamageNetwork(content, random);
            using var writer = new BinaryWriter(archive.CreateEntry(name).Open());
            writer.Write(content.Length);
            writer.Write(content);
        }
        return stream.ToArray();
    }

    /// <summary>What became of a network: where it ended, and by which exception.</summary>
    private static string Use(byte[] bytes, Action begins)
    {
        Network network;
        try
        {
            network = Network.LoadOnnx(new MemoryStream(bytes), null, _limits);
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            return "refused";
        }
        catch (Exception exception)
        {
            return Unexpected("load", exception);
        }
        using (network)
        {
            return Try("score", begins, () => Score(network, ScoringEngineKind.Torch))
                ?? Try("score in ONNX Runtime", begins, () => Score(network, ScoringEngineKind.OnnxRuntime))
                ?? Try("merge", begins, () => NetworkMerger.Merge([network, network]).Dispose())
                ?? Try("write", begins, () => network.SaveOnnx(new MemoryStream()))
                ?? "used";
        }
    }

    private static void Score(Network network, ScoringEngineKind engine)
    {
        long[] row = [.. network.Graph.Inputs[0].Shape[1..].ToArray().Select(size => size > 0 ? size : 32)];
        if ((TensorShape.ElementCount(row) ?? long.MaxValue) > LargestRow)
            return;
        using var scope = torch.NewDisposeScope();
        using var scorer = new NetworkScorer(network.Clone(), row, softmax: false, engine, threads: 1);
        var scores = new float[2 * scorer.ScoreSize];
        scorer.Score(scorer.NewBatch(2).fill_(0.5f), 2, scores);
    }

    /// <summary>A model of ML.NET, in an application that has not this library: all is up to ONNX Runtime.</summary>
    private static string UseModel(byte[] bytes, int size)
    {
        try
        {
            var ml = new MLContext(seed: 1);
            var model = ml.Model.Load(new MemoryStream(bytes), out _);
            using var owned = model as IDisposable;
            var rows = ml.Data.LoadFromEnumerable(Corpus.Rows(size), Corpus.Schema(size));
            _ = model.Transform(rows).GetColumn<float[]>("Score").ToList();
            return "used";
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return "refused";
        }
    }

    /// <summary>Null where nothing happens, or what the documentation says.</summary>
    private static string? Try(string what, Action begins, Action action)
    {
        begins();
        try
        {
            action();
            return null;
        }
        catch (Exception exception)
            when (exception is InvalidOperationException and not ObjectDisposedException or InvalidDataException
                or NotSupportedException or ArgumentException)
        {
            return null;
        }
        catch (Exception exception)
        {
            return Unexpected(what, exception);
        }
    }

    private static string Unexpected(string what, Exception exception) =>
        $"unexpected {what}: {exception.ToString().ReplaceLineEndings(" | ")}";
}

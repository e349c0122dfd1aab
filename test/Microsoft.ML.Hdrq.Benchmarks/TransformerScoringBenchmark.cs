using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// Transformers in ONNX Runtime: in full precision, with weights and activations as integers, and with integer weights
/// of linear layers alone.
/// </summary>
internal static class TransformerScoringBenchmark
{
    /// <summary>Measures ViT-B/16 at 224 x 224 and SegFormer-B0 at 512 x 512, on all cores.</summary>
    /// <param name="table">Where figures go.</param>
    /// <param name="repetitions">Batches that each file scores, at least 1.</param>
    public static void Run(SpeedTable table, int repetitions)
    {
        using (var network = VisionTransformer.Create(12, 768, 12, 1000, seed: 1))
            Measure(table, "ViT-B/16 at 224 x 224", network, 224, [1, 8], repetitions);
        using (var network = SegFormer.Create(0, 19, seed: 1, 512, 512))
            Measure(table, "SegFormer-B0 at 512 x 512", network, 512, [1], repetitions);
    }

    private static void Measure(
        SpeedTable table, string where, Network network, int size, int[] batches, int repetitions)
    {
        var threads = Environment.ProcessorCount;
        using var eight = RoundedNetwork.Of(network, 8, 8, size);
        using var four = RoundedNetwork.Of(network, 4, 8, size);
        var weightOnly = new OnnxSaveOptions { WeightOnlyProducts = true };
        (string Name, Network Network, OnnxSaveOptions? Options)[] kinds =
        [
            ("FP32", network, null), ("W8A8", eight, null), ("W4A8", four, null),
            ("8-bit weights of products alone", eight, weightOnly), ("4-bit weights of products alone", four, weightOnly),
        ];
        foreach (var kind in kinds)
        {
            using var file = new MemoryStream();
            kind.Network.SaveOnnx(file, kind.Options);
            table.Add("transformers", where, $"{kind.Name}, file", file.Length / 1e6, "MB");
        }
        foreach (var batch in batches)
        {
            var files = kinds.Select(kind => SavedNetwork.Onnx(kind.Network, threads, kind.Options)).ToList();
            var pixels = new float[batch * 3 * size * size];
            var random = new Random(1);
            foreach (ref var pixel in pixels.AsSpan())
                pixel = random.NextSingle();
            var times = Turns.TakeOnce(
                [.. files.Select<SavedNetwork, Action>(file => () => file.Score(pixels, [batch, 3, size, size]))],
                repetitions);
            files.ForEach(file => file.Dispose());
            foreach (var (kind, time) in kinds.Zip(times))
            {
                table.Add(
                    "transformers", $"{where}, batch {batch}, {threads} threads", kind.Name, time, "ms", times[0] / time,
                    "times as fast as FP32");
            }
        }
    }
}

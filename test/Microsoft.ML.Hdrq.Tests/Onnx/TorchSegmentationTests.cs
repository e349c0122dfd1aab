using Google.Protobuf;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>What PyTorch exports of segmentation networks: loaded, scored, quantized, merged, saved.</summary>
[TestClass]
public sealed class TorchSegmentationTests
{
    [TestMethod]
    [DataRow("segformer", 13)]
    [DataRow("segformer", 17)]
    [DataRow("deeplab", 13)]
    public void Scores_are_those_of_ONNX_Runtime(string kind, int opset)
    {
        var model = Model(kind, opset);
        using var network = OnnxModels.Load(model);
        foreach (var (height, width) in new[] { (32, 48), (37, 29) })
            ModelParity.AssertEqualScores(model, network, [2, 3, height, width], kind);
        ModelParity.AssertEqualScores(OnnxModels.Save(network), network, [2, 3, 32, 32], "saved again");
    }

    [TestMethod]
    public void Blocks_are_found_in_what_was_taken_apart()
    {
        using var network = OnnxModels.Load(Model("segformer", 14));
        using var folded = FoldBatchNormalization.Apply(network);
        AssertBlocks(folded.Graph);
        using var scope = torch.NewDisposeScope();
        using var quantized = Quantize(network, null, 0);
        AssertBlocks(quantized.Graph);

        static void AssertBlocks(Graph graph)
        {
            var flow = graph.Flow;
            var blocks = BlockPartition.Find(graph);
            // Patches and transformer of each stage, the layers of the head before and with the concatenation, the two
            // after it.
            string[] expected = ["stage0.patch", "stage0.sr", "stage1.patch", "stage1.query", "head1.proj",
                "head0.proj", "linear_fuse", "classifier"];
            Assert.AreEqual(string.Join(' ', expected),
                string.Join(' ', blocks.Select(block => Weight(block.Nodes.First(flow.IsWeighted)))));
            CollectionAssert.AreEqual(new[] { "stage0.sr", "stage0.query", "stage0.key", "stage0.value", "stage0.dense",
                "stage0.fc1", "stage0.dwconv", "stage0.fc2" }.Order(StringComparer.Ordinal).ToArray(),
                blocks[1].Nodes.Where(flow.IsWeighted).Select(Weight).Order(StringComparer.Ordinal).ToArray());

            string Weight(GraphNode layer)
            {
                var name = layer.Inputs[1];
                while (flow.Definer(name) is { } definer)
                    name = definer.Inputs[0];
                return name.Replace(".weight", "", StringComparison.Ordinal);
            }
        }
    }

    [TestMethod]
    [DataRow("segformer")]
    [DataRow("deeplab")]
    public void They_are_quantized_saved_and_merged(string kind)
    {
        using var scope = torch.NewDisposeScope();
        using var network = OnnxModels.Load(Model(kind, 14));
        using var quantized = Quantize(network, network, 3);
        var input = torch.randn([2, 3, 32, 32], generator: new torch.Generator(5));
        var scores = quantized.Forward(input);
        // 8 bits are close to floating point.
        Assert.IsLessThan(0.1f * network.Forward(input).std()
            .item<float>(), scores.sub(network.Forward(input)).abs().mean().item<float>());

        var file = OnnxModels.Save(quantized);
        var expected = OnnxRuntimeReference.Run(file, [("pixel_values", TensorData.FromTorch(input))])[0].ToTorch();
        var difference = scores.sub(expected).abs();
        Assert.IsLessThan(0.02f, difference.gt(1e-4).to(torch.ScalarType.Float32).mean().item<float>());
        using var loaded = OnnxModels.Load(file);
        Assert.IsTrue(quantized.Graph.Equals(loaded.Graph));
        using var merged = NetworkMerger.Merge([quantized, loaded], new());
        Assert.IsTrue(merged.Forward(input).sub(scores).abs().gt(1e-4).to(torch.ScalarType.Float32).mean()
            .item<float>() < 0.02f);
    }

    private static byte[] Model(string kind, int opset) =>
        (kind == "segformer" ? TorchSegmentationModel.SegFormer(opset) : TorchSegmentationModel.DeepLab(opset))
        .ToByteArray();

    private static Network Quantize(Network network, Network? source, int iterations) => NetworkQuantizer.Quantize(
        network, torch.randn([4, 3, 32, 32], generator: new torch.Generator(3)),
        HdrqOptions.Paper with
        {
            Placement = QuantizerPlacement.Integer,
            PerChannel = true,
            Source = source,
            Training = HdrqTraining.Paper with { Iterations = iterations, BatchSize = 2 }
        }, seed: 1);
}

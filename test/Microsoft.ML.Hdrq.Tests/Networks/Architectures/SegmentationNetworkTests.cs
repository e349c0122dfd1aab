using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using Microsoft.ML.Hdrq.Tests.Onnx;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Architectures;

/// <summary>DeepLab and SegFormer: built, scored, trained, quantized, merged.</summary>
[TestClass]
public sealed class SegmentationNetworkTests
{
    [TestMethod]
    // torchvision's 42,004,074 and 60,996,202 for 21 classes, less the auxiliary head's 2,365,205.
    [DataRow(50, 21, 39_638_869)]
    [DataRow(101, 21, 58_630_997)]
    public void DeepLab_has_as_many_weights_as_torchvision(int depth, int classes, long expected)
    {
        using var network = DeepLab.Create(depth, classes, seed: 1);
        Assert.AreEqual(expected, Weights(network));
        string[] some = ["backbone.conv1.weight", "backbone.layer4.2.bn3.running_var", "classifier.0.convs.0.0.weight",
            "classifier.0.convs.4.1.weight", "classifier.0.project.1.bias", "classifier.1.weight", "classifier.4.bias"];
        foreach (var name in some)
            Assert.IsTrue(network.Parameters.ContainsKey(name), name);
    }

    [TestMethod]
    public void Small_DeepLab_has_as_many_weights_as_counted_by_hand()
    {
        using var network = DeepLab.Small(5, seed: 1, channels: 2);
        // Convolutions: stem, four stages, pyramid, what joins it, and one more; two of every normalized channel;
        // classifier.
        var expected = 27 * 2 + 4 * 9 * 2 * 2
            + (9 * 2 * 4 + 3 * 9 * 4 * 4 + 2 * 4) + (9 * 4 * 8 + 3 * 9 * 8 * 8 + 4 * 8)
                + (9 * 8 * 16 + 3 * 9 * 16 * 16 + 8 * 16)
            + (1 + 3 * 9 + 1) * 16 * 8 + 5 * 8 * 8 + 9 * 8 * 8
            + 2 * (2 + 4 * 2 + 5 * 4 + 5 * 8 + 5 * 16 + 7 * 8) + 8 * 5 + 5;
        Assert.AreEqual(expected, Weights(network));
        string[] some = ["backbone.conv1.weight", "backbone.layer4.1.bn2.running_var", "classifier.0.convs.4.1.weight",
            "classifier.0.project.1.bias", "classifier.1.weight", "classifier.4.bias"];
        foreach (var name in some)
            Assert.IsTrue(network.Parameters.ContainsKey(name), name);
    }

    [TestMethod]
    // Small images, large ones, and what is asked for.
    [DataRow(64, 96, null, 4)]
    [DataRow(128, 96, null, 4)]
    [DataRow(128, 128, null, 16)]
    [DataRow(null, null, null, 16)]
    [DataRow(64, 96, 8, 8)]
    [DataRow(null, null, 4, 4)]
    public void Small_DeepLab_reads_features_of_the_output_stride(int? height, int? width, int? outputStride, int expected)
    {
        using var scope = torch.NewDisposeScope();
        using var network = DeepLab.Small(3, seed: 1, height, width, channels: 1, outputStride);
        var sizes = new Dictionary<string, long[]>();
        network.Run([torch.rand(1, 3, height ?? 64, width ?? 64)],
            new(ForwardMode.Inference, torch.CPU) { Watch = (name, value) => sizes[name] = value.shape });
        CollectionAssert.AreEqual(new long[] { 1, 3, (height ?? 64) / expected, (width ?? 64) / expected },
            sizes["classifier.4"]);
    }

    // Millions of parameters with 150 classes: table 1 of Xie et al.
    [TestMethod]
    [DataRow(0, 3.8)]
    [DataRow(1, 13.7)]
    [DataRow(2, 27.5)]
    [DataRow(5, 84.7)]
    public void SegFormer_has_as_many_weights_as_the_paper(int encoder, double expected)
    {
        using var network = SegFormer.Create(encoder, 150, seed: 1);
        Assert.AreEqual(expected, Weights(network) / 1e6, 0.051);
    }

    [TestMethod]
    public void SegFormer_names_its_parameters_as_the_transformers_library_does()
    {
        using var network = SegFormer.Create(0, 5, seed: 1);
        string[] some =
        [
            "segformer.encoder.patch_embeddings.0.proj.weight", "segformer.encoder.patch_embeddings.3.layer_norm.bias",
            "segformer.encoder.block.0.0.layer_norm_1.weight",
            "segformer.encoder.block.0.1.attention.self.query.weight",
            "segformer.encoder.block.1.0.attention.self.sr.weight",
            "segformer.encoder.block.1.0.attention.self.layer_norm.bias",
            "segformer.encoder.block.2.1.attention.output.dense.bias",
            "segformer.encoder.block.3.1.mlp.dwconv.dwconv.weight", "segformer.encoder.block.3.1.mlp.dense2.weight",
            "segformer.encoder.layer_norm.3.weight", "decode_head.linear_c.3.proj.weight",
            "decode_head.linear_fuse.weight", "decode_head.batch_norm.running_mean", "decode_head.classifier.bias",
        ];
        foreach (var name in some)
            Assert.IsTrue(network.Parameters.ContainsKey(name), name);
        Assert.IsFalse(network.Parameters.ContainsKey("segformer.encoder.block.3.0.attention.self.sr.weight"));
    }

    [TestMethod]
    [DataRow("deeplab16", 64, 96)]
    [DataRow("deeplab8", 65, 47)]
    [DataRow("small4", 64, 96)]
    [DataRow("small8", 50, 33)]
    [DataRow("small16", 97, 64)]
    [DataRow("segformer", 64, 96)]
    [DataRow("segformer", 50, 33)]
    public void Scores_are_those_of_ONNX_Runtime(string kind, int height, int width)
    {
        using var network = Create(kind);
        Randomize(network);
        ModelParity.AssertEqualScores(Save(network), network, [2, 3, height, width], kind);
        using var scope = torch.NewDisposeScope();
        CollectionAssert.AreEqual(new long[] { 3, 5, height, width },
            network.Forward(torch.rand(3, 3, height, width)).shape);
    }

    [TestMethod]
    [DataRow("deeplab16", QuantizerPlacement.Integer)]
    [DataRow("small4", QuantizerPlacement.Integer)]
    [DataRow("segformer", QuantizerPlacement.Integer)]
    [DataRow("segformer", QuantizerPlacement.Paper)]
    public void Quantized_scores_are_those_of_ONNX_Runtime(string kind, QuantizerPlacement placement)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Create(kind);
        Randomize(network);
        using var quantized = Quantize(network, placement);
        var input = SmallInput(8, 32, 32, seed: 9);
        var scores = quantized.Forward(input);
        var expected = OnnxRuntimeReference.Run(Save(quantized), [("input", TensorData.FromTorch(input))])[0].ToTorch();
        var difference = scores.sub(expected).abs();
        // A value that lies half-way between two integers may be rounded to the other one where sums are added in
        // another order; through attention that moves all scores of its image, a little.
        var equal = difference.amax([1, 2, 3]).le(1e-4).sum().item<long>();
        Assert.IsGreaterThanOrEqualTo(5, equal);
        Assert.IsLessThan(0.1f * scores.sub(network.Forward(input)).abs().mean()
            .item<float>(), difference.mean().item<float>());
    }

    [TestMethod]
    [DataRow("deeplab16")]
    [DataRow("small4")]
    [DataRow("segformer")]
    public void Training_brings_the_loss_down(string kind)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Create(kind);
        var images = SmallInput(4, 32, 32, seed: 3);
        // Bright or dark: what can be told from one pixel.
        var masks = images.mean([1]).gt(0).to(torch.ScalarType.Byte);
        var losses = new List<double>();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        FineTuning.Train(network, images, masks,
            new()
            {
                Epochs = 6,
                BatchSize = 4,
                LearningRate = 1e-3,
                Optimizer = FineTuningOptimizer.AdamW,
                UpdateStatistics = true,
                CropPadding = 0,
                HorizontalFlip = false,
                Progress = new Losses(losses)
            },
            ignoredLabel: 255, seed: 1, CancellationToken.None).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.IsLessThan(0.9 * losses[0], losses[^1]);
    }

    [TestMethod]
    public void The_same_seed_gives_the_same_network()
    {
        using var a = SegFormer.Create(0, 3, seed: 5);
        using var b = SegFormer.Create(0, 3, seed: 5);
        using var c = SegFormer.Create(0, 3, seed: 6);
        Assert.AreEqual(a.ParametersSha256(), b.ParametersSha256());
        Assert.AreNotEqual(a.ParametersSha256(), c.ParametersSha256());
        Assert.IsTrue(a.Graph.Equals(c.Graph));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void A_transformer_block_is_a_unit_and_the_head_reads_all_stages(bool isQuantized)
    {
        using var network = SegFormer.Create(0, 5, seed: 1);
        using var folded = FoldBatchNormalization.Apply(network);
        using var quantized = Quantize(network, QuantizerPlacement.Integer);
        var blocks = BlockPartition.Find(isQuantized ? quantized.Graph : folded.Graph);
        var names = Enumerable.Range(0, 4).SelectMany(stage => new[] { $"segformer.encoder.patch_embeddings.{stage}.proj" }
            .Concat(Enumerable.Range(0, 2)
                .Select(
                    block => $"segformer.encoder.block.{stage}.{block}.attention.self.{(stage < 3 ? "sr" : "query")}")))
            .Concat(["decode_head.linear_c.3.proj", "decode_head.linear_c.2.proj", "decode_head.linear_fuse",
                "decode_head.classifier"]);
        Assert.AreEqual(string.Join(' ', names), string.Join(' ', blocks.Select(block => block.Name)));
        // The last stage's layer stands alone; with what it gives come the three other stages.
        Assert.HasCount(4, blocks[^3].Inputs);
        // The last layer brings its scores to the size of the images.
        Assert.HasCount(2, blocks[^1].Inputs);
        Assert.IsTrue(blocks[^1].ReadsOnlyShape("input"));
        // Every weighted layer is in exactly one block.
        var flow = folded.Graph.Flow;
        Assert.AreEqual(folded.Graph.Nodes.Count(flow.IsWeighted),
            blocks.Sum(block => block.Nodes.Count(
                node => node.Operator.Type is "Conv" or "MatMul"
                && !node.Name.EndsWith("scores", StringComparison.Ordinal)
                && !node.Name.EndsWith("context", StringComparison.Ordinal))));
    }

    [TestMethod]
    public void A_pyramid_of_dilated_layers_is_a_unit()
    {
        using var network = DeepLab.Create(18, 5, seed: 1);
        using var folded = FoldBatchNormalization.Apply(network);
        var blocks = BlockPartition.Find(folded.Graph);
        var names = new[] { "backbone.conv1" }.Concat(
            from stage in Enumerable.Range(1, 4)
            from block in Enumerable.Range(0, 2)
            select $"backbone.layer{stage}.{block}.conv1")
                .Concat(["classifier.0.convs.0.0", "classifier.0.project.0", "classifier.1", "classifier.4"]);
        Assert.AreEqual(string.Join(' ', names),
            string.Join(' ', blocks.Select(
                block => block.Name.Replace("downsample.0", "conv1", StringComparison.Ordinal))));
    }

    [TestMethod]
    public void Quantizers_are_where_transformers_need_them()
    {
        using var network = SegFormer.Create(0, 5, seed: 1);
        using var quantized = Quantize(
            network, QuantizerPlacement.Paper,
            new LayerOverride(@"block\.1\.0\.attention\.self\.(scores|context)$") { Skip = true },
            new LayerOverride(@"block\.0\.0\.mlp\.dense2$") { ActivationBits = 7, WeightBits = 3 });
        var flow = quantized.Graph.Flow;

        foreach (var product in quantized.Graph.Nodes.Where(flow.IsActivationProduct))
        {
            var ranges = product.Inputs.Select(input => Quantizer(flow.Origin(input))?.Range).ToList();
            if (product.Name.Contains("block.1.0."))
            {
                Assert.IsTrue(ranges.TrueForAll(range => range is null), product.Name);
                continue;
            }
            // Queries, keys and values are signed; what softmax gives is not.
            Assert.AreEqual(product.Name.EndsWith("scores", StringComparison.Ordinal) ? new QuantizationRange(4, true)
                : new QuantizationRange(4, false), ranges[0], product.Name);
            Assert.AreEqual(new QuantizationRange(4, true), ranges[1], product.Name);
        }
        // A normalization computes in floating point, and what it feeds into layers is quantized, signed.
        foreach (var norm in quantized.Graph.Nodes.Where(
            node => node.Operator.Type == "LayerNormalization" && node.Name.Contains("layer_norm_1")))
            Assert.AreEqual(new QuantizationRange(4, true),
                ((FakeQuantize)flow.Readers(norm.Outputs[0]).Single().Operator).Range);
        var dense2 = quantized.Graph.Nodes.Single(node => node.Name == "segformer.encoder.block.0.0.mlp.dense2");
        Assert.AreEqual(new QuantizationRange(7, true), Quantizer(flow.Origin(dense2.Inputs[0]))!.Range);
        Assert.AreEqual(new QuantizationRange(3, true), Quantizer(dense2.Inputs[1])!.Range);
        var depthwise = quantized.Graph.Nodes.Single(node => node.Name == "segformer.encoder.block.2.0.mlp.dwconv.dwconv");
        Assert.AreEqual(new QuantizationRange(4, true), Quantizer(depthwise.Inputs[1])!.Range);
        CollectionAssert.AreEqual(new long[] { 640 },
            quantized.Parameters["segformer.encoder.block.2.0.mlp.dwconv.dwconv.weight.scale"].shape);

        FakeQuantize? Quantizer(string value) => flow.Definer(value)?.Operator as FakeQuantize;
    }

    [TestMethod]
    public void Quantized_networks_are_merged()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Create("segformer");
        using var other = Create("segformer", seed: 2);
        var (a, b) = (Quantize(network, QuantizerPlacement.Integer), Quantize(other, QuantizerPlacement.Integer));
        using var same = NetworkMerger.Merge([a, a], new());
        var input = SmallInput(1, 32, 32, seed: 4);
        Assert.IsTrue(same.Forward(input).allclose(a.Forward(input), atol: 1e-5));
        using var merged = NetworkMerger.Merge([a, b], new() { AllowDifferentSources = true });
        Assert.IsTrue(merged.Forward(input).isfinite().all().item<bool>());
        foreach (var scale in a.Parameters.Keys.Where(
            name => name.EndsWith(".scale", StringComparison.Ordinal) && name.Contains("proj.weight")))
            Assert.IsTrue(merged.Parameters[scale].allclose(a.Parameters[scale].add(b.Parameters[scale]).div(2)), scale);
        a.Dispose();
        b.Dispose();
    }

    [TestMethod]
    public void Sizes_are_checked()
    {
        Assert.AreEqual("encoder", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => SegFormer.Create(6, 5, 1)).ParamName);
        Assert.AreEqual("depth", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => DeepLab.Create(20, 5, 1)).ParamName);
        Assert.AreEqual("outputStride",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => DeepLab.Create(18, 5, 1, outputStride: 4)).ParamName);
        Assert.AreEqual("classes", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => DeepLab.Create(18, 0, 1)).ParamName);
        Assert.AreEqual("channels",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => DeepLab.Small(5, 1, channels: 0)).ParamName);
        Assert.AreEqual("outputStride",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => DeepLab.Small(5, 1, outputStride: 32)).ParamName);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => DeepLab.Small(5, 1, inputHeight: 64, inputWidth: 31));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SegFormer.Create(0, 5, 1, inputHeight: 31));
        using var network = SegFormer.Create(0, 5, 1, inputHeight: 48, inputWidth: 64);
        CollectionAssert.AreEqual(new long[] { -1, 5, 48, 64 }, network.Graph.Outputs[0].Shape.ToArray());
    }

    /// <summary>For 5 classes and images of any size.</summary>
    private static Network Create(string kind, long seed = 1) => kind switch
    {
        "deeplab16" => DeepLab.Create(18, 5, seed),
        "deeplab8" => DeepLab.Create(18, 5, seed, outputStride: 8),
        "small4" => DeepLab.Small(5, seed, channels: 4, outputStride: 4),
        "small8" => DeepLab.Small(5, seed, channels: 4, outputStride: 8),
        "small16" => DeepLab.Small(5, seed, channels: 4),
        _ => SegFormer.Create(0, 5, seed),
    };

    /// <summary>Gives normalizations and biases numbers of their own, which a new network does not have.</summary>
    private static void Randomize(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(4);
        foreach (var parameter in network.Graph.Parameters.Where(
            parameter => parameter is { Shape.Length: 1, Role: not ParameterRole.Constant }))
        {
            var noise = torch.rand(parameter.Shape.ToArray(), generator: generator).mul(0.2);
            network.Parameters[parameter.Name].add_(parameter.Role == ParameterRole.Statistic ? noise : noise.sub(0.1));
        }
    }

    private static Network Quantize(Network network, QuantizerPlacement placement, params LayerOverride[] overrides) =>
        NetworkQuantizer.Quantize(
        network, SmallInput(2, 64, 64, seed: 8),
        SmallNetworks.Nearest with
        {
            WeightBits = 4,
            ActivationBits = 4,
            Placement = placement,
            Overrides = overrides,
            PerChannel = true,
            Calibration = SmallNetworks.Nearest.Calibration with { Observer = RangeObserverKind.MinMax },
        }, seed: 1);

    private static torch.Tensor SmallInput(long count, long height, long width, ulong seed) =>
        torch.randn([count, 3, height, width], generator: new torch.Generator(seed));

    private static byte[] Save(Network network)
    {
        using var file = new MemoryStream();
        network.SaveOnnx(file);
        return file.ToArray();
    }

    private static long Weights(Network network) =>
        network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight)
            .Sum(parameter => network.Parameters[parameter.Name].numel());

    private sealed class Losses(List<double> losses) : IProgress<FineTuningProgress>
    {
        void IProgress<FineTuningProgress>.Report(FineTuningProgress value) => losses.Add(value.Loss);
    }
}

using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

[TestClass]
public sealed class IntegerKernelTests
{
    // Layers, additions and poolings as the architectures define them: all are integer kernels, and nothing else
    // computes but clipping to fewer bits and moving.
    [TestMethod]
    [DataRow("ResNet-20", 8, 8, 19, 9, 0)]
    [DataRow("ResNet-20", 4, 8, 19, 9, 0)]
    [DataRow("ResNet-20", 4, 4, 19, 9, 0)]
    [DataRow("ResNet-56", 8, 8, 55, 27, 0)]
    [DataRow("ResNet-56", 4, 8, 55, 27, 0)]
    [DataRow("ResNet-56", 4, 4, 55, 27, 0)]
    [DataRow("ResNet-50", 8, 8, 53, 16, 1)]
    [DataRow("ResNet-50", 4, 8, 53, 16, 1)]
    [DataRow("ResNet-50", 4, 4, 53, 16, 1)]
    [DataRow("MobileNetV2", 8, 8, 52, 10, 0)]
    [DataRow("MobileNetV2", 4, 8, 52, 10, 0)]
    [DataRow("MobileNetV2", 4, 4, 52, 10, 0)]
    public void EveryLayerIsAnIntegerKernel(
        string architecture, int weightBits, int activationBits, int convolutions, int additions, int maximumPoolings)
    {
        using var scope = torch.NewDisposeScope();
        using var original = architecture switch
        {
            "ResNet-20" => ResNet.Cifar(20, 10, seed: 1),
            "ResNet-56" => ResNet.Cifar(56, 10, seed: 1),
            "ResNet-50" => ResNet.ImageNet(50, 1000, seed: 1, inputSize: 32),
            _ => MobileNetV2.Create(10, seed: 1, inputSize: 32),
        };
        var images = SmallNetworks.Random(1, 8, 3, 32, 32);
        using var network = Quantize(original, images, weightBits, activationBits);
        var file = Save(network);
        using var optimized = new OptimizedModel(file);
        Assert.AreEqual(convolutions, optimized.Count("QLinearConv"));
        Assert.AreEqual(additions, optimized.Count("QLinearAdd"));
        Assert.AreEqual(1, optimized.Count("QLinearGlobalAveragePool"));
        Assert.AreEqual(1, optimized.Count("QGemm"));
        Assert.AreEqual(maximumPoolings, optimized.Count("NhwcMaxPool"));
        var others = optimized.Graph.Node.Select(node => node.OpType).Distinct()
            .Except(["QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm", "NhwcMaxPool"]);
        CollectionAssert.IsSubsetOf(
            others.ToList(), new[] { "QuantizeLinear", "DequantizeLinear", "Transpose", "Flatten", "Slice", "Pad",
                "Clip" });
        if (activationBits == 8)
            Assert.AreEqual(0, optimized.Count("Clip"));
        if (architecture == "ResNet-50")
            Assert.IsLessThan(weightBits == 8 ? 0.27 : 0.15,
                file.Length / (4.0 * network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight)
                    .Sum(parameter => TensorShape.ElementCount(parameter.Shape)!.Value)));

        // The runtime adds integers, the simulation numbers in single precision: where a sum is all but half-way
        // between two steps, they differ by one of them.
        var simulated = network.Forward(images).data<float>().ToArray();
        var differences = simulated.Zip(
            optimized.Run(images), (a, b) => Math.Abs(a - b) / (simulated.Max() - simulated.Min())).ToArray();
        TestContext.WriteLine(
            $"{file.Length} bytes; mean difference of the scores {differences.Average():G3} of their range, largest {differences.Max():G3}.");
        Assert.IsLessThan(0.02, differences.Average());

        using var again = Load(file);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
        CollectionAssert.AreEqual(simulated, again.Forward(images).data<float>().ToArray());
    }

    // Opset 13 has no integers of 4 bits: readers of no later one find their weights in bytes, and the same kernels.
    [TestMethod]
    [DataRow(13)]
    [DataRow(20)]
    public void WeightsOfFourBitsAreBytesBeforeTheirOpset(int opset)
    {
        using var scope = torch.NewDisposeScope();
        using var original = ResNet.Cifar(8, 10, seed: 1);
        var images = SmallNetworks.Random(1, 8, 3, 32, 32);
        using var network = Quantize(original, images, 4, 4);
        var file = Save(network, opset);
        var model = ModelProto.Parser.ParseFrom(file);
        Assert.AreEqual(opset, model.OpsetImport.Single().Version);
        int[] types = [.. model.Graph.Initializer.Concat(
            model.Graph.Node.SelectMany(node => node.Attribute).Select(attribute => attribute.T).OfType<TensorProto>())
            .Select(tensor => tensor.DataType)];
        Assert.IsFalse(types.Any(type => type is (int)ElementType.Int4 or (int)ElementType.UInt4));
        // 6 of the 7 convolutions.
        Assert.AreEqual(6, model.Graph.Initializer.Count(tensor => tensor.DataType == (int)ElementType.Int8));
        using var bytes = new OptimizedModel(file);
        using var halves = new OptimizedModel(Save(network));
        Assert.AreEqual(7, bytes.Count("QLinearConv"));
        CollectionAssert.AreEqual(halves.Graph.Node.Select(node => node.OpType).Order().ToArray(),
            bytes.Graph.Node.Select(node => node.OpType).Order().ToArray());
        CollectionAssert.AreEqual(halves.Run(images), bytes.Run(images));
        using var again = Load(file);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph));
        CollectionAssert.AreEqual(network.Forward(images).data<float>().ToArray(), again.Forward(images).data<float>()
            .ToArray());
    }

    // Integer kernels of pooling have code of their own for windows that reach over the edge: what they compute has to
    // be what floating point computes, or they must not be used.
    [TestMethod]
    [DynamicData(nameof(Windows))]
    public void PoolingAtTheEdgeIsThatOfFloats(
        string type, int kernel, int stride, int before, int after, int ceiling, int countPadding, int size)
    {
        using var scope = torch.NewDisposeScope();
        (string, object)[] attributes =
        [
            ("kernel_shape", new long[] { kernel, kernel }), ("strides", new long[] { stride, stride }),
            ("pads", new long[] { before, before, after, after }), ("ceil_mode", ceiling),
            .. type == "AveragePool" ? [("count_include_pad", (object)countPadding)] : Array.Empty<(string, object)>(),
        ];
        using var original = Load(ModelOf(
            19, [4, 3, size, size], Random("a", 1, 4, 3, 1, 1), Random("b", 2, 2, 4, 1, 1),
            Node("Conv", "x a", "c"), Node("Relu", "c", "r"), Node(type, "r", "p", attributes), Node("Conv", "p b", "y")));
        var images = SmallNetworks.Random(1, 4, 3, size, size);
        using var network = Quantize(original, images, 8, 8);
        using var optimized = new OptimizedModel(Save(network));
        var simulated = network.Forward(images).data<float>().ToArray();
        var scores = optimized.Run(images);
        Assert.HasCount(simulated.Length, scores);
        var difference = simulated.Zip(scores, (a, b) => Math.Abs(a - b)).Max() / (simulated.Max() - simulated.Min());
        // Two steps of 256.
        Assert.IsLessThan(2.1 / 255, difference);
        Assert.AreEqual(1, type == "MaxPool"
            ? optimized.Count("NhwcMaxPool") : optimized.Count("QLinearAveragePool"));
    }

    // Separate padding would give one window more; QLinearAveragePool has no dilations.
    [TestMethod]
    [DataRow(1, 1, "'AveragePool-y' (AveragePool) has ceil_mode and count_include_pad")]
    [DataRow(0, 2, "'AveragePool-y' (AveragePool) has dilations")]
    public void PoolingThatNoIntegerKernelComputesIsRefused(int ceiling, int dilation, string message)
    {
        using var network = Load(ModelOf(
            19, [4, 3, 11, 11], Random("a", 1, 4, 3, 1, 1), Node("Conv", "x a", "c"),
            Node("AveragePool", "c", "y", ("kernel_shape", new[] { 3L, 3 }), ("strides", new[] { 3L, 3 }),
                ("pads", new[] { 1L, 1, 1, 1 }), ("dilations", new long[] { dilation, dilation }),
                ("ceil_mode", ceiling), ("count_include_pad", 1))));
        var exception = Assert.ThrowsExactly<ArgumentException>(
            () => Quantize(network, SmallNetworks.Random(1, 4, 3, 11, 11), 8, 8));
        Assert.Contains(message, exception.Message);
    }

    // What is before and after the layers may be; scales and steps are in single precision.
    [TestMethod]
    public void LayersInDoublePrecisionAreRefused()
    {
        var weight = new TensorProto
        {
            Name = "a",
            DataType = (int)ElementType.Float64,
            RawData = ByteString.CopyFrom(new byte[8 * 12])
        };
        weight.Dims.AddRange([4L, 3, 1, 1]);
        using var network = Load(ModelOf(
            19, [-1, 3, 8, 8], weight, Node("Cast", "x", "d", ("to", 11)), Node("Conv", "d a", "c"),
            Node("Cast", "c", "y", ("to", 1))));
        var exception = Assert.ThrowsExactly<ArgumentException>(
            () => Quantize(network, SmallNetworks.Random(1, 4, 3, 8, 8), 8, 8));
        Assert.Contains("Weight 'a' is in double precision", exception.Message);
    }

    private static IEnumerable<object[]> Windows =>
        from type in new[] { "AveragePool", "MaxPool" }
        from window in new[] { (2, 2, 0, 0), (3, 2, 0, 0), (3, 2, 1, 1), (3, 1, 1, 1), (2, 2, 1, 0), (3, 2, 0, 1),
            (2, 2, 0, 1), (4, 3, 1, 1) }
        from ceiling in new[] { 0, 1 }
        from countPadding in type == "MaxPool" ? new[] { 0 } : [0, 1]
        where (ceiling, countPadding, window) is not (1, 1, (2, 2, 0, 1)) // refused: below
        from size in new[] { 7, 8, 9 }
        select new object[]
        {
            type, window.Item1, window.Item2, window.Item3, window.Item4, ceiling, countPadding, size,
        };

    public required TestContext TestContext { get; init; }

    private static Network Quantize(Network network, torch.Tensor images, int weightBits, int activationBits)
    {
        var options = SmallNetworks.Nearest with
        {
            WeightBits = weightBits,
            ActivationBits = activationBits,
            PerChannel = true,
            Calibration = SmallNetworks.Nearest.Calibration with { Observer = RangeObserverKind.MinMax },
        };
        return NetworkQuantizer.Quantize(network, images, options, seed: 1);
    }

    // Pairs of products up to 2 * 255 * 127 do not fit into 16 bits, where CPUs without VNNI hold them if the weights
    // are signed bytes.
    [TestMethod]
    [DataRow(8, 8, false, 127, "UInt8")]
    [DataRow(8, 8, true, 127, "UInt8")]
    [DataRow(8, 8, true, -128, "UInt8")]
    [DataRow(8, 8, true, 65, "UInt8")]
    [DataRow(8, 8, true, -64, "Int8")]
    [DataRow(8, 7, true, -128, "Int8")]
    [DataRow(8, 4, false, 127, "Int8")]
    [DataRow(7, 8, true, 63, "Int8")]
    [DataRow(7, 8, true, -64, "Int8")]
    public void SumsOfTheLargestProductsAreExact(int bits, int activationBits, bool perChannel, int integer, string type)
    {
        using var scope = torch.NewDisposeScope();
        using var network = LargestProducts.Create(
            "Conv", 3, new(bits, isSigned: true), activationBits, perChannel, integer);
        var file = Save(network);
        Assert.AreEqual(type, ((ElementType)ModelProto.Parser.ParseFrom(file).Graph.Initializer.Single(
            tensor => tensor.Name == "w").DataType).ToString());
        using var optimized = new OptimizedModel(file);
        Assert.AreEqual(1, optimized.Count("QLinearConv"));
        Assert.AreEqual(0, optimized.Count("Conv"));
        var expected = LargestProducts.Score(8 * 3 * 3, activationBits, integer);
        foreach (var score in optimized.Run(torch.full([2, 8, 6, 6], 255f)))
            Assert.AreEqual(expected, score);
        using var again = Load(file);
        CollectionAssert.AreEqual(file, Save(again));
    }

    // Signed, which is what CPUs with VNNI are fast with, and within 16 bits on the others.
    [TestMethod]
    [DataRow("Conv", 1, -64)]
    [DataRow("Conv", 3, -64)]
    [DataRow("Conv", 3, 64)]
    [DataRow("Gemm", 1, -64)]
    [DataRow("Gemm", 1, 64)]
    public void Weights_of_the_reduced_range_are_signed_and_exact(string layer, int kernel, int integer)
    {
        using var scope = torch.NewDisposeScope();
        var isGemm = layer == "Gemm";
        foreach (var perChannel in new[] { false, true })
        {
            using var network = LargestProducts.Create(
                layer, kernel, QuantizationRange.Reduced, 8, perChannel, integer);
            var file = Save(network);
            Assert.AreEqual((int)ElementType.Int8, Weights(file).Single().DataType);
            using var optimized = new OptimizedModel(file);
            Assert.AreEqual(1, optimized.Count(isGemm ? "QGemm" : "QLinearConv"));
            Assert.AreEqual(0, optimized.Count("Clip"));
            var expected = LargestProducts.Score(isGemm ? 72 : 8 * kernel * kernel, 8, integer);
            foreach (var score in optimized.Run(torch.full(isGemm ? [3, 72] : [2, 8, 6, 6], 255f)))
                Assert.AreEqual(expected, score);
            using var again = Load(file);
            Assert.IsNull(network.Graph.FirstDifference(again.Graph));
            CollectionAssert.AreEqual(file, Save(again));
        }
    }

    // A CPU without VNNI (pmaddubsw) adds two products at a time within 16 bits; which two, is up to the kernel.
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void NoPairOfProductsOfASavedFileLeavesSixteenBits(bool reduceRange)
    {
        using var scope = torch.NewDisposeScope();
        using var original = ResNet.Cifar(8, 10, seed: 1);
        var images = SmallNetworks.Random(1, 8, 3, 32, 32);
        using var network = NetworkQuantizer.Quantize(
            original, images, new RoundToNearestOptions { ReduceRange = reduceRange }, seed: 1);
        using var file = new MemoryStream();
        // The full range can be forced to be signed: then the emulated CPU must see that it is wrong.
        network.SaveOnnx(file, new() { SignedWeights = !reduceRange });
        var weights = Weights(file.ToArray());
        Assert.HasCount(8, weights);
        var wrong = 0;
        foreach (var weight in weights)
        {
            Assert.AreEqual((int)ElementType.Int8, weight.DataType);
            foreach (var channel in weight.RawData.ToByteArray().Chunk(weight.RawData.Length / (int)weight.Dims[0]))
            {
                int[] products = [.. channel.Select(value => 255 * (sbyte)value)];
                foreach (var order in new[] { products, [.. products.Order()], [.. products.OrderDescending()] })
                    wrong += PairedSum(order) == order.Sum() ? 0 : 1;
            }
        }
        if (reduceRange)
            Assert.AreEqual(0, wrong);
        else
            Assert.IsGreaterThan(0, wrong);

        static int PairedSum(int[] products) =>
            products.Chunk(2).Sum(pair => Math.Clamp(pair.Sum(), short.MinValue, short.MaxValue));
    }

    // Kernels for unsigned weights are exact on every CPU.
    [TestMethod]
    public void ScoresOfSignedWeightsAreThoseOfUnsignedOnes()
    {
        using var scope = torch.NewDisposeScope();
        using var original = ResNet.Cifar(8, 10, seed: 1);
        var images = SmallNetworks.Random(1, 8, 3, 32, 32);
        using var network = NetworkQuantizer.Quantize(original, images, new RoundToNearestOptions(), seed: 1);
        var file = Save(network);
        using var signed = new OptimizedModel(file);
        using var unsigned = new OptimizedModel(WithUnsignedWeights(file));
        Assert.AreEqual(8, Count(signed, ElementType.Int8));
        Assert.AreEqual(8, Count(unsigned, ElementType.UInt8));
        CollectionAssert.AreEqual(unsigned.Run(images), signed.Run(images));

        static int Count(OptimizedModel model, ElementType type) =>
            model.Graph.Initializer.Count(tensor => tensor.Dims.Count > 1 && tensor.DataType == (int)type);
    }

    /// <summary>Adds 128 to all integers of weights and to their zero points, which changes no number.</summary>
    private static byte[] WithUnsignedWeights(byte[] file)
    {
        var model = ModelProto.Parser.ParseFrom(file);
        var graph = model.Graph;
        foreach (var weight in graph.Initializer.Where(tensor => tensor.Dims.Count > 1).ToList())
        {
            weight.DataType = (int)ElementType.UInt8;
            weight.RawData = ByteString.CopyFrom([.. weight.RawData.Select(value => (byte)(value ^ 0x80))]);
            // All integers are within the bounds.
            var clip = graph.Node.Single(node => node.Input.Contains(weight.Name));
            var dequantize = graph.Node.Single(node => node.Input.Contains(clip.Output[0]));
            graph.Node.Remove(clip);
            dequantize.Input[0] = weight.Name;
            var axis = (int)dequantize.Attribute.Single(attribute => attribute.Name == "axis").I;
            var zeroPoint = new TensorProto
            {
                Name = $"{weight.Name}.zero",
                DataType = (int)ElementType.UInt8,
                Dims = { weight.Dims[axis] },
                RawData = ByteString.CopyFrom([.. Enumerable.Repeat((byte)0x80, (int)weight.Dims[axis])]),
            };
            dequantize.Input[2] = zeroPoint.Name;
            graph.Initializer.Add(zeroPoint);
        }
        return model.ToByteArray();
    }

    [TestMethod]
    [DataRow(8)]
    [DataRow(7)]
    [DataRow(4)]
    public void MatrixProductsAreIntegerKernelsWithWeightsOfEveryWidth(int bits)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (activationBits, perChannel) in from activationBits in new[] { 8, 4 }
                                                     from perChannel in new[] { false, true }
                                                     select (activationBits, perChannel))
        {
            using var network = LargestProducts.Create(
                "Gemm", 1, new(bits, isSigned: true), activationBits, perChannel, -(1 << (bits - 1)));
            using var optimized = new OptimizedModel(Save(network));
            Assert.AreEqual(1, optimized.Count("QGemm"), $"A{activationBits} {perChannel}");
            Assert.AreEqual(0, optimized.Count("Gemm") + optimized.Count("MatMul"));
            foreach (var score in optimized.Run(torch.full([3, 72], 255f)))
                Assert.AreEqual(LargestProducts.Score(72, activationBits, -(1 << (bits - 1))), score);
        }
    }

    // Nobody knows how large the products are of a weight that is multiplied by something that is not quantized, or
    // read by something that is no layer.
    [TestMethod]
    [DataRow("Conv", "x.quantized", "Int8")]
    [DataRow("Conv", "x", "UInt8")]
    [DataRow("Mul", "x.quantized", "UInt8")]
    public void WeightsAreSignedOnlyWhereTheirProductsAreKnown(string layer, string input, string type)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", 2, 2, 1, 1);
        builder.Parameter("w", torch.full([2, 2, 1, 1], 100f));
        foreach (var (value, range) in new[] { ("x", new QuantizationRange(4, isSigned: false)),
            ("w", new QuantizationRange(8, isSigned: true)) })
        {
            builder.Parameter($"{value}.scale", torch.tensor(1f));
            builder.Node(new GraphNode($"{value}.quantizer",
                Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range)), [value, $"{value}.scale"],
                [$"{value}.quantized"]));
        }
        builder.Node(layer, "y", [input, "w.quantized"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [2, 2, 1, 1]));
        Assert.AreEqual(type, ((ElementType)ModelProto.Parser.ParseFrom(Save(network)).Graph.Initializer.Single(
            tensor => tensor.Name == "w").DataType).ToString());
    }
}

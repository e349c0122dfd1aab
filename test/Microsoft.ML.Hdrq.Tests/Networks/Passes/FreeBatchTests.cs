using Google.Protobuf;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Networks.Passes;

/// <summary>Networks that were exported for a fixed number of rows, against ONNX Runtime on as many rows.</summary>
[TestClass]
public sealed class FreeBatchTests
{
    private static IEnumerable<TestDataRow<(string Name, int Batch, byte[] Model)>> Free =>
    [
        Row("a convolution", 1, Random("w", 1, 3, 2, 3, 3), Node("Conv", "x w", "y")),
        Row("two rows", 2, Random("w", 1, 3, 2, 3, 3), Node("Conv", "x w", "c"), Longs("s", 2, 12),
            Node("Reshape", "c s", "y")),
        Row("a shape with the batch", 1, Longs("s", 1, 32), Random("w", 1, 32, 5), Node("Reshape", "x s", "f"),
            Node("MatMul", "f w", "y")),
        Row("a shape with the batch and an open size", 1, Longs("s", 1, -1), Random("w", 1, 32, 5),
            Node("Reshape", "x s", "f"), Node("MatMul", "f w", "y")),
        Row("two shapes, the first without the batch", 1, Longs("s", -1), Longs("t", 1, 32),
            Node("Reshape", "x s", "f"), Node("Reshape", "f t", "y")),
        Row("a shape without the batch", 1, Longs("s", 2, 16), Longs("t", 1, 2, 4, 4), Node("Reshape", "x s", "f"),
            Node("Relu", "f", "r"), Node("Reshape", "r t", "y")),
        Row("a channel shuffle", 1, Longs("s", 1, 2, 1, 4, 4), Longs("t", 1, -1, 4, 4), Node("Reshape", "x s", "r"),
            Node("Transpose", "r", "u", ("perm", new[] { 0L, 2, 1, 3, 4 })), Node("Reshape", "u t", "y")),
        Row("halves in dimension 0", 1, Longs("s", 1, 2, 16), Longs("t", 2, 1, 1, 4, 4), Longs("zero", 0), Longs("one", 1),
            Node("Reshape", "x s", "r"), Node("Transpose", "r", "p", ("perm", new[] { 1L, 0, 2 })),
            Node("Reshape", "p t", "h"),
            Node("Gather", "h zero", "a"), Node("Gather", "h one", "b"), Longs("axis", 0),
            Node("Squeeze", "a axis", "c"), Node("Squeeze", "b axis", "d"), Node("Concat", "c d", "y", ("axis", 1))),
        Row("attention", 1, Longs("s", 1, 16, 2), Longs("t", 1, 16, 2, 1), Node("Reshape", "x s", "r"),
            Node("Reshape", "r t", "q"), Node("Transpose", "q", "h", ("perm", new[] { 0L, 2, 1, 3 })),
            Node("Transpose", "q", "k", ("perm", new[] { 0L, 2, 3, 1 })), Node("MatMul", "h k", "y")),
        Row("a token before the others", 1, Longs("s", 1, 2, 16), Random("token", 1, 1, 1, 16),
            Node("Reshape", "x s", "r"), Node("Concat", "token r", "y", ("axis", 1))),
        Row("a resize to sizes", 1, Longs("sizes", 1, 2, 8, 6), Node("Resize", "x _ _ sizes", "y", ("mode", "nearest"))),
        Row("an expansion", 1, Longs("s", 1, 2, 4, 4), Longs("axes", 1), Node("ReduceMean", "x axes", "m"),
            Node("Expand", "m s", "y")),
        Row("all sizes of one removed", 1, Node("GlobalAveragePool", "x", "p"), Node("Squeeze", "p", "y")),
        Row("flattened from the front", 1, Node("Flatten", "x", "y", ("axis", 0))),
    ];

    [TestMethod]
    [DynamicData(nameof(Free))]
    public void AnyNumberOfRowsIsScored(string name, int batch, byte[] model)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Load(model);
        Assert.AreEqual(TensorShape.Dynamic, network.Graph.Inputs[0].Shape[0], name);
        var rows = torch.randn([3 * batch, 2, 4, 4], generator: new torch.Generator(1));
        // Some outputs of one row have no batch.
        var expected = Reference(model, rows, batch);
        foreach (var count in new[] { batch, 3L * batch })
        {
            var actual = network.Forward(rows.narrow(0, 0, count));
            Assert.AreEqual(count, actual.shape[0]);
            Assert.IsLessThanOrEqualTo(1e-5,
                actual.reshape(-1).sub(expected.narrow(0, 0, actual.numel())).abs().max().item<float>(),
                $"{name}, {count} rows");
        }
        // The file that is written takes any number, too.
        var written = Save(network);
        var served = OnnxRuntimeReference.Run(written, [("x", TensorData.FromTorch(rows))])[0].ToTorch();
        Assert.IsLessThanOrEqualTo(1e-5, served.reshape(-1).sub(expected).abs().max().item<float>(), $"{name}, written");
        using var again = Load(written);
        Assert.IsNull(network.Graph.FirstDifference(again.Graph), name);
    }

    // What mixes rows is behind a gate that small inputs do not open, or mixes what no input of 0 to 1 shows.
    [TestMethod]
    [DataRow(1, 2.5f, 0)]
    [DataRow(4, 2.5f, 0)]
    [DataRow(4, 1e6f, 0)]
    [DataRow(4, 100f, 1)]
    public void RowsThatAreMixedUnseenAreNotFreed(int batch, float gate, int form)
    {
        IMessage[] mixing = form == 0
            ? [Longs("rows", 0), Node("ReduceMax", "r rows", "m")]
            : [Longs("minus", -1), Longs("end", -1000), Longs("axis", 0), Node("Slice", "r minus end axis minus", "m")];
        using var network = Load(Model(
            batch, [Floats("gate", [], gate), Node("Sub", "x gate", "s"), Node("Relu", "s", "r"), .. mixing,
                Node("Add", "x m", "y")]));
        Assert.AreEqual(batch, network.Graph.Inputs[0].Shape[0]);
    }

    /// <summary>The sum over the batch: no row has a score of its own.</summary>
    private static byte[] Bound(int batch) => Model(batch,
        Random("w", 1, 4, 2, 3, 3), Longs("axes", 0), Node("Conv", "x w", "c", ("pads", new[] { 1L, 1, 1, 1 })),
        Node("Relu", "c", "r"),
        Longs("all", 2, 3), Node("ReduceMean", "r all", "m", ("keepdims", 0)), Node("Transpose", "m", "t"),
        Random("v", 2, batch, batch), Node("MatMul", "t v", "u"), Node("Transpose", "u", "y"));

    [TestMethod]
    public void WhatNeedsItsNumberOfRowsIsComputedOnThem()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var batch in new[] { 1, 2 })
        {
            using var network = Load(Bound(batch));
            Assert.AreEqual(batch, network.Graph.Inputs[0].Shape[0]);
            var images = torch.randn([5, 2, 4, 4], generator: new torch.Generator(1));
            QuantizationOptions[] methods =
            [
                new RoundToNearestOptions(),
                new HdrqOptions { Training = new HdrqTraining { Iterations = 3 } },
                new AdaRoundOptions { Training = new RoundingTraining { Iterations = 3 } },
            ];
            foreach (var method in methods)
            {
                using var quantized = NetworkQuantizer.Quantize(
                    network, images, method with { WeightBits = 8, ActivationBits = 8 });
                var exact = network.Forward(images.narrow(0, 0, batch));
                var actual = quantized.Forward(images.narrow(0, 0, batch));
                Assert.IsLessThanOrEqualTo(0.05, (exact.sub(actual).norm() / exact.norm()).item<float>(),
                    method.GetType().Name);
            }
            using var trained = FineTuning.Train(
                network, images, torch.tensor(new long[] { 0, 1, 2, 3, 0 }), new AdaptationOptions { Epochs = 1 }, -100,
                1, CancellationToken.None);
            Assert.AreNotEqual(network.ParametersSha256(), trained.ParametersSha256());
        }
    }

    /// <summary>A model that ML.NET saved gives the scores of its one row without a dimension for rows.</summary>
    [TestMethod]
    public void OutputsWithoutRowsKeepTheirNumberOfRows()
    {
        using var network = Load(Model(1, Longs("s", 32), Node("Reshape", "x s", "y")));
        Assert.AreEqual(1, network.Graph.Inputs[0].Shape[0]);
        CollectionAssert.AreEqual(new long[] { 32 }, network.Forward(torch.zeros(1, 2, 4, 4)).shape);
    }

    private static TestDataRow<(string, int, byte[])> Row(string name, int batch, params IMessage[] parts) =>
        new((name, batch, Model(batch, parts))) { DisplayName = name };

    private static byte[] Model(int batch, params IMessage[] parts) => ModelOf(18, [batch, 2, 4, 4], parts).ToByteArray();

    private static torch.Tensor Reference(byte[] model, torch.Tensor rows, int batch)
    {
        var parts = new List<torch.Tensor>();
        for (var start = 0; start < rows.shape[0]; start += batch)
            parts.Add(OnnxRuntimeReference.Run(
                model, [("x", TensorData.FromTorch(rows.narrow(0, start, batch).contiguous()))])[0].ToTorch()
                .reshape(-1));
        return torch.cat(parts);
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>
/// What operators must refuse: attributes that they do not know, and sizes that a file must not be able to ask for.
/// </summary>
[TestClass]
public sealed class RefusalTests
{
    [TestMethod]
    [DataRow("Conv", "group", 0L)]
    [DataRow("Conv", "strides", new long[] { 0, 1 })]
    [DataRow("Conv", "dilations", new long[] { 1, -1 })]
    [DataRow("Conv", "pads", new long[] { 1, 1, 1 })]
    [DataRow("Conv", "pads", new long[] { 0, 0, -1, 0 })]
    [DataRow("Conv", "auto_pad", "SAME")]
    [DataRow("ConvTranspose", "output_padding", new long[] { -1, 0 })]
    [DataRow("MaxPool", "kernel_shape", new long[] { 2, 2, 2, 2 })]
    [DataRow("AveragePool", "kernel_shape", new long[0])]
    [DataRow("BatchNormalization", "training_mode", 1L)]
    [DataRow("Cast", "to", 16L)]
    [DataRow("ConstantOfShape", "value", 1L)]
    [DataRow("DepthToSpace", "blocksize", 0L)]
    [DataRow("Einsum", "equation", "...ij->...ji")]
    [DataRow("Gelu", "approximate", "quick")]
    [DataRow("GroupNormalization", "num_groups", 0L)]
    [DataRow("LayerNormalization", "stash_type", 16L)]
    [DataRow("LRN", "size", 0L)]
    [DataRow("LeakyRelu", "alpha", 1L)]
    [DataRow("LpNormalization", "p", 3L)]
    [DataRow("Pad", "mode", "mirror")]
    [DataRow("QuantizeLinear", "output_dtype", 17L)]
    [DataRow("QuantizeLinear", "block_size", -1L)]
    [DataRow("Resize", "mode", "area")]
    [DataRow("Resize", "nearest_mode", "round")]
    [DataRow("Resize", "coordinate_transformation_mode", "tf_crop_and_resize")]
    [DataRow("GridSample", "mode", "cubic")]
    [DataRow("ScatterND", "reduction", "mul")]
    [DataRow("Col2Im", "strides", new long[] { 1, 0 })]
    [DataRow("GatherND", "batch_dims", -1L)]
    [DataRow("Resize", "keep_aspect_ratio_policy", "not_larger")]
    [DataRow("Split", "num_outputs", 0L)]
    public void AttributesThatAreNotKnown(string type, string name, object value)
    {
        var refusal = Assert.ThrowsExactly<InvalidDataException>(
            () => Operator.Create(type, new OperatorAttributes((name, value))));
        Assert.Contains($"'{name}'", refusal.Message);
    }

    public static IEnumerable<TestDataRow<(string Type, (string, object)[] Attributes, TensorData?[] Inputs)>>
        ImmenseResults => new (string Type, (string, object)[] Attributes, TensorData?[] Inputs)[]
    {
        ("Add", [], [Zeros(1, 50), Zeros(50, 1)]),
        ("Sum", [], [Zeros(1, 50), Zeros(50, 1)]),
        ("Where", [], [TensorData.Of<bool>(new bool[50], 50, 1), Zeros(1, 50), Zeros(1)]),
        ("Einsum", [("equation", "i,j->ij")], [Zeros(50), Zeros(50)]),
        ("Einsum", [("equation", "i,j")], [Zeros(50), Zeros(50)]),
        ("Expand", [], [Zeros(1), List(1L << 40)]),
        ("Tile", [], [Zeros(2, 2), List(1L << 62, 1)]),
        ("Tile", [], [Zeros(2, 2), List(1L << 33, 1L << 33)]),
        ("ConstantOfShape", [], [List(1L << 40)]),
        ("Range", [], [List(0), List(1L << 40), List(1)]),
        ("Pad", [], [Zeros(2), List(0, 1 << 30)]),
        ("Pad", [("mode", "edge")], [Zeros(2), List(0, 1 << 30)]),
        ("Resize", [], [Zeros(2), null, null, List(1L << 40)]),
        ("Resize", [], [Zeros(2), null, TensorData.Of([1e30f], 1)]),
        ("Gather", [], [Zeros(1, 50), TensorData.Of(new long[50], 50)]),
        ("Conv", [("pads", new long[] { 1 << 30, 1 << 30, 1 << 30, 1 << 30 })], [Zeros(1, 1, 4, 4), Zeros(1, 1, 1, 1)]),
        ("ConvTranspose", [("strides", new long[] { 1 << 30, 1 << 30 })], [Zeros(1, 1, 4, 4), Zeros(1, 1, 1, 1)]),
        ("ConvTranspose", [("output_shape", new long[] { 1 << 30, 1 << 30 })], [Zeros(1, 1, 4, 4), Zeros(1, 1, 1, 1)]),
        ("MaxPool", [("kernel_shape", new long[] { 1 }), ("pads", new long[] { 1 << 30, 0 })], [Zeros(1, 1, 4)]),
        ("AveragePool", [("kernel_shape", new long[] { 1 }), ("pads", new long[] { 0, 1 << 30 })], [Zeros(1, 1, 4)]),
        ("AveragePool", [("kernel_shape", new long[] { 300 }), ("pads", new long[] { 297, 0 })], [Zeros(1, 1, 4)]),
        ("LpPool", [("kernel_shape", new long[] { 1 }), ("pads", new long[] { 0, 1 << 30 })], [Zeros(1, 1, 4)]),
        ("LRN", [("size", 1L << 30)], [Zeros(1, 1, 4)]),
        ("Expand", [], [Zeros(1), List(1L << 31)]),
        ("Tile", [], [Zeros(1), List(1L << 31)]),
        ("Concat", [("axis", 0L)], [Zeros(100), Zeros(100), Zeros(100)]),
        ("Gemm", [], [Zeros(20, 1), Zeros(1, 20)]),
        ("MatMul", [], [Zeros(20, 1), Zeros(1, 20)]),
        ("Einsum", [("equation", "ij,jk->ik")], [Zeros(20, 1), Zeros(1, 20)]),
        ("Einsum", [("equation", "i,j,ij->")], [Zeros(20), Zeros(20), Zeros(20, 20)]),
        ("Cast", [("to", (long)ElementType.Float64)], [Zeros(200)]),
        ("CastLike", [], [Zeros(200), List(1)]),
        ("LayerNormalization", [], [Zeros(20, 1), Zeros(20)]),
        ("OneHot", [], [List(1), List(1L << 31), Zeros(2)]),
        ("CenterCropPad", [], [Zeros(1), List(1L << 31)]),
        ("DequantizeLinear", [], [TensorData.Of(new byte[400], 400), TensorData.Of([1f])]),
        ("FakeQuantize", [("minimum", -8L), ("maximum", 7L)], [Zeros(20, 1), Zeros(1, 20)]),
    }.Select(row => new TestDataRow<(string, (string, object)[], TensorData?[])>(
        row)
    {
        DisplayName =
            $"{row.Type}({string.Join(", ", row.Attributes)}) of {string.Join<TensorData?>(", ", row.Inputs)}"
    });

    [TestMethod]
    [DynamicData(nameof(ImmenseResults))]
    public void SizesBeyondTheLimit(string type, (string, object)[] attributes, TensorData?[] inputs)
    {
        using var scope = torch.NewDisposeScope();
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        context.Limit(1000);
        var operation = Operator.Create(type, new OperatorAttributes(attributes));
        var refusal = Assert.ThrowsExactly<InvalidDataException>(
            () => operation.Compute([.. inputs.Select(input => input?.ToTorch())], context));
        Assert.Contains("more than the 1000 bytes that MaxValueSize allows for 1 row", refusal.Message);
    }

    public static IEnumerable<TestDataRow<(string Type, (string, object)[] Attributes, TensorData?[] Inputs)>>
        ImmenseSpans => new (string Type, (string, object)[] Attributes, TensorData?[] Inputs)[]
    {
        ("Conv", [("auto_pad", "SAME_UPPER"), ("dilations", new long[] { 1, int.MaxValue })],
            [Zeros(1, 8, 9, 9), Zeros(16, 8, 5, 5)]),
        ("Conv", [("pads", new long[] { 1 << 30, 1 << 30 }), ("dilations", new long[] { 1 << 30 })],
            [Zeros(1, 1, 9), Zeros(1, 1, 3)]),
        ("MaxPool", [("kernel_shape", new long[] { 3 }), ("auto_pad", "SAME_LOWER"),
            ("dilations", new long[] { 1 << 30 })], [Zeros(1, 1, 4)]),
        ("AveragePool", [("kernel_shape", new long[] { 3 }), ("auto_pad", "SAME_UPPER"),
            ("dilations", new long[] { 1 << 30 })], [Zeros(1, 1, 4)]),
        ("LpPool", [("kernel_shape", new long[] { 3 }), ("auto_pad", "SAME_UPPER"),
            ("dilations", new long[] { 1 << 30 })], [Zeros(1, 1, 4)]),
        ("ConvTranspose", [("pads", new long[] { int.MaxValue, int.MaxValue })], [Zeros(1, 1, 4), Zeros(1, 1, 3)]),
    }.Select(row => new TestDataRow<(string, (string, object)[], TensorData?[])>(
        row)
    { DisplayName = $"{row.Type}({string.Join(", ", row.Attributes)})" });

    /// <summary>
    /// The result is small, and libraries count what it is computed of with 31 bits: libtorch divided by 0.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(ImmenseSpans))]
    public void SpansBeyondWhatLibrariesCount(string type, (string, object)[] attributes, TensorData?[] inputs)
    {
        using var scope = torch.NewDisposeScope();
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        context.Limit(1L << 40);
        var operation = Operator.Create(type, new OperatorAttributes(attributes));
        var refusal = Assert.ThrowsExactly<InvalidDataException>(
            () => operation.Compute([.. inputs.Select(input => input?.ToTorch())], context));
        Assert.Contains("padding of", refusal.Message);
    }

    /// <summary>So many bytes for each row, and no integer overflows.</summary>
    [TestMethod]
    public void TheLimitIsOneOfBytesForEachRow()
    {
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        context.Limit(1000, rows: 3);
        context.CheckSize([3, 250], torch.ScalarType.Float32);
        context.CheckSize([3, 125], torch.ScalarType.Float64);
        context.CheckSize([3000], torch.ScalarType.Bool);
        foreach (var type in new[] { torch.ScalarType.Float32, torch.ScalarType.Float64, torch.ScalarType.Bool })
            Assert.ThrowsExactly<InvalidDataException>(() => context.CheckSize([3001], type));
        context.Limit(long.MaxValue, rows: 3);
        context.CheckSize([1L << 60], torch.ScalarType.Float32);
        Assert.AreEqual(
            "A tensor of shape [4294967296, 4294967296] and type Float32 takes 73786976294838206464 bytes, more than the "
            + "9223372036854775807 bytes that MaxValueSize allows for 3 rows.",
            Assert.ThrowsExactly<InvalidDataException>(
                () => context.CheckSize([1L << 32, 1L << 32], torch.ScalarType.Float32)).Message);
        Assert.AreEqual(
            "A tensor cannot have the shape [2, -5].",
            Assert.ThrowsExactly<InvalidDataException>(
                () => context.CheckSize([2, -5], torch.ScalarType.Float32)).Message);
    }

    /// <summary>Libraries end the process there.</summary>
    [TestMethod]
    [DataRow("Conv", 0, 2, 3)]
    [DataRow("Conv", 2, 2, 0)]
    [DataRow("ConvTranspose", 2, 2, 0)]
    [DataRow("ConvTranspose", 2, 0, 3)]
    public void KernelsWithoutElements(string type, int outputs, int inputs, int size)
    {
        using var scope = torch.NewDisposeScope();
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        var refusal = Assert.ThrowsExactly<InvalidDataException>(() => Operator.Create(type).Compute(
            [torch.zeros(1, 2, 5, 5), torch.zeros(outputs, inputs, size, size)], context));
        Assert.StartsWith("The kernel is empty", refusal.Message);
    }

    [TestMethod]
    [DataRow(5L)]
    [DataRow(-6L)]
    public void IndicesBeyondTheData(long index)
    {
        using var scope = torch.NewDisposeScope();
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        Assert.ThrowsExactly<InvalidDataException>(
            () => Operator.Create("Gather").Compute([torch.zeros(5), torch.tensor(index)], context));
    }

    /// <summary>The processor ends the process where the least integer is divided by -1.</summary>
    [TestMethod]
    public void TheLeastIntegerDividedByMinusOne()
    {
        using var scope = torch.NewDisposeScope();
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        var (dividend, divisor) = (torch.tensor(new[] { long.MinValue, 7, -7 }), torch.tensor(new[] { -1L, -1, 2 }));
        var quotient = Operator.Create("Div").Compute([dividend, divisor], context)[0];
        CollectionAssert.AreEqual(new[] { long.MinValue, -7, -3 }, quotient.data<long>().ToArray());
        var remainder = Operator.Create("Mod").Compute([dividend, divisor], context)[0];
        CollectionAssert.AreEqual(new[] { 0L, 0, 1 }, remainder.data<long>().ToArray());
        var other = Operator.Create("Mod", new OperatorAttributes(("fmod", 1L))).Compute([dividend, divisor], context)[0];
        CollectionAssert.AreEqual(new[] { 0L, 0, -1 }, other.data<long>().ToArray());
    }

    private static TensorData Zeros(params long[] shape) =>
        TensorData.Of<float>(new float[(int)TensorShape.ElementCount(shape)!], shape);

    private static TensorData List(params long[] values) => TensorData.Of<long>(values, values.Length);
}

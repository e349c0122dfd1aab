using System.Diagnostics;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Small files that ask for much: nothing large may be taken when they are loaded.</summary>
[TestClass]
public class HostileSizeTests
{
    private const long Allowed = 64 << 20;

    private static IEnumerable<TestDataRow<(string What, byte[] Model)>> Hostile =>
    [
        Row("ConstantOfShape", Longs("s", 1L << 40), Node("ConstantOfShape", "s", "c")),
        Row("ConstantOfShape of many dimensions", Longs("s", 1 << 16, 1 << 16, 1 << 16), Node("ConstantOfShape", "s", "c")),
        Row("ConstantOfShape that overflows", Longs("s", 1L << 62, 1L << 62), Node("ConstantOfShape", "s", "c")),
        Row("ConstantOfShape with a zero", Longs("s", 0, 1L << 62, 1L << 62), Node("ConstantOfShape", "s", "c")),
        Row("Expand", Floats("one", [1], 1), Longs("s", 1L << 36), Node("Expand", "one s", "c")),
        Row("Range", Longs("a", 0), Longs("b", long.MaxValue), Longs("d", 1), Longs("no"), Node("Squeeze", "a", "a0"),
            Node("Squeeze", "b", "b0"), Node("Squeeze", "d", "d0"), Node("Range", "a0 b0 d0", "c")),
        Row("Range of tiny steps", Floats("a", [], 0), Floats("b", [], 3e38f), Floats("d", [], 1e-38f),
            Node("Range", "a b d", "c")),
        Row("Pad", Floats("one", [1], 1), Longs("p", 0, 1L << 36), Node("Pad", "one p", "c")),
        Row("Pad that overflows", Floats("one", [1], 1), Longs("p", long.MaxValue, long.MaxValue),
            Node("Pad", "one p", "c")),
        Row("Tile", Floats("one", [1], 1), Longs("r", 1L << 36), Node("Tile", "one r", "c")),
        Row("Resize", Floats("one", [1, 1, 1, 1], 1), Floats("k", [4], 1, 1, 1e6f, 1e6f), Node("Resize", "one _ k", "c")),
        Row("Gather", Floats("one", [1, 4096], new float[4096]), Node("ConstantOfShape", "s", "i", ("value", Int64(0))),
            Longs("s", 4096), Node("Gather", "one i", "c")),
        Row("broadcasting of two", Floats("row", [1, 4096], new float[4096]),
            Floats("column", [4096, 1], new float[4096]), Node("Add", "row column", "c")),
        Row("broadcasting of three", Floats("a", [1, 1, 4096], new float[4096]),
            Floats("b", [1, 4096, 1], new float[4096]), Floats("d", [4096, 1, 1], new float[4096]),
            Node("Max", "a b d", "c")),
        Row("Where", Floats("a", [1, 1, 4096], new float[4096]), Floats("b", [1, 4096, 1], new float[4096]),
            Floats("d", [4096, 1, 1], new float[4096]), Node("Cast", "d", "e", ("to", 9)), Node("Where", "e a b", "c")),
        Row("a chain that doubles",
            [Floats("c0", [1], 1), .. Enumerable.Range(0, 60)
                .Select(i => Node("Concat", $"c{i} c{i}", i == 59 ? "c" : $"c{i + 1}", ("axis", 0)))]),
        Row("a chain that squares",
            [Floats("c0", [1, 64], new float[64]),
                .. Enumerable.Range(0, 20).SelectMany(
                    i => (NodeProto[])[Node("Transpose", $"c{i}", $"t{i}"),
                        Node("Add", $"c{i} t{i}", i == 19 ? "c" : $"c{i + 1}")])]),
        Row("Concat of one tensor many times", Floats("v", [4096], new float[4096]),
            Node("Concat", string.Join(' ', Enumerable.Repeat("v", 50_000)), "c", ("axis", 0))),
        Row("the sum of many broadcasts", Floats("row", [1, 1000], new float[1000]),
            Floats("column", [1000, 1], new float[1000]),
            Node("Sum", "row " + string.Join(' ', Enumerable.Repeat("column", 50_000)), "c")),
        Row("a thousand large constants",
            [Longs("s", 1000, 1000), .. Enumerable.Range(0, 1000).Select(i => Node("ConstantOfShape", "s", $"v{i}")),
            Node("Sum", string.Join(' ', Enumerable.Range(0, 1000).Select(i => $"v{i}")), "c")]),
    ];

    [TestMethod]
    [DynamicData(nameof(Hostile))]
    [Timeout(10_000)]
    public void TakesNoMemoryWhenLoaded(string what, byte[] model)
    {
        // Constants count as parameters, so that not folding them is seen in the roles, and folding too much in their sizes.
        var (managed, resident) = (GC.GetAllocatedBytesForCurrentThread(), Resident());
        var watch = Stopwatch.StartNew();
        LiveTensors.AssertUnchanged(() =>
        {
            try
            {
                using var network = Load(model);
                Assert.IsLessThan(Allowed * 4,
                    network.Parameters.Values.Sum(tensor => tensor.numel() * tensor.element_size()), what);
            }
            catch (InvalidDataException)
            {
                // Refused is as good as not computed.
            }
        });
        Assert.IsLessThan(4, watch.Elapsed.TotalSeconds, what);
        Assert.IsLessThan(Allowed, GC.GetAllocatedBytesForCurrentThread() - managed, what);
        Assert.IsLessThan(8 * Allowed, Resident() - resident, what);
    }

    [TestMethod]
    public void LeavesWhatIsTooLargeToTheForwardPass()
    {
        // 4 million elements: too large for a constant that is kept, and no reason to refuse the file.
        var model = ModelOf(13, [1], Longs("s", 2000, 2000),
            Node("ConstantOfShape", "s", "c", ("value", Floats("", [1], 0.5f))), Node("Mul", "c x", "m"),
            Node("ReduceMax", "m", "y", ("keepdims", 0)));
        using var network = Load(model);
        Assert.AreEqual("ConstantOfShape", network.Graph.Nodes[0].Operator.Type);
        ModelParity.AssertEqualScores(model.ToByteArray(), network, [1]);
    }

    [TestMethod]
    public void ForwardRefusesWhatIsTooLargeForAnyMachine()
    {
        using var builder = new NetworkBuilder();
        builder.Node("ConstantOfShape", "ConstantOfShape-c", [builder.Constant("s", 1L << 40)]);
        builder.Node("Mul", "y", ["ConstantOfShape-c", builder.Input("x", 1)]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
        using var input = TensorData.Of([1f], 1).ToTorch();
        LiveTensors.AssertUnchanged(() =>
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => network.Forward(input)).Message,
                "'ConstantOfShape-c' (ConstantOfShape)"));
    }

    private static TestDataRow<(string, byte[])> Row(string what, params IMessage[] parts) =>
        new((what, ModelOf(13, [1], [.. parts, Node("Mul", "c x", "y")]).ToByteArray())) { DisplayName = what };

    private static TensorProto Int64(long value) =>
        new() { Name = "", DataType = (int)ElementType.Int64, Dims = { 1 }, Int64Data = { value } };

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}

using System.Diagnostics;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>Damaged files load or are refused; nothing else happens.</summary>
[TestClass]
public class FuzzTests
{
    private const long AllowedPerLoad = 16 << 20;

    [TestMethod]
    [Timeout(30_000)]
    public void EveryBeginningOfAFile()
    {
        var model = SmallModel();
        var refused = 0;
        for (var length = 0; length < model.Length; length++)
            refused += LoadsOrIsRefused(model[..length], $"the first {length} bytes") ? 0 : 1;
        // Only what is cut between the fields of the whole model can still be one.
        Assert.IsGreaterThan(model.Length - 20, refused);
        Assert.IsTrue(LoadsOrIsRefused(model, "all"));
    }

    [TestMethod]
    [Timeout(30_000)]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void DamagedBytes(int seed)
    {
        var model = SmallModel();
        var random = new Random(seed);
        using var process = Process.GetCurrentProcess();
        var before = process.WorkingSet64;
        for (var i = 0; i < 1500; i++)
            LoadsOrIsRefused(Damage(model, random), $"seed {seed}, file {i}");
        process.Refresh();
        Assert.IsLessThan(256L << 20, process.WorkingSet64 - before);
    }

    /// <summary>
    /// Damages the messages and not their encoding, so that more of them reach the checks behind the parser.
    /// </summary>
    [TestMethod]
    [Timeout(30_000)]
    [DataRow(1)]
    [DataRow(2)]
    public void DamagedMessages(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 1000; i++)
        {
            var model = ModelProto.Parser.ParseFrom(SmallModel());
            for (var changes = random.Next(1, 4); changes > 0; changes--)
                Damage(model.Graph, random);
            LoadsOrIsRefused(model.ToByteArray(), $"seed {seed}, file {i}");
        }
    }

    private static bool LoadsOrIsRefused(byte[] model, string what)
    {
        var loads = false;
        var before = GC.GetAllocatedBytesForCurrentThread();
        LiveTensors.AssertUnchanged(() =>
        {
            try
            {
                Load(model).Dispose();
                loads = true;
            }
            catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
            {
            }
            catch (Exception exception)
            {
                Assert.Fail($"{what}: {exception}");
            }
        });
        Assert.IsLessThan(AllowedPerLoad, GC.GetAllocatedBytesForCurrentThread() - before, what);
        return loads;
    }

    private static byte[] Damage(byte[] model, Random random)
    {
        var damaged = model.ToList();
        for (var changes = random.Next(1, 5); changes > 0; changes--)
        {
            var at = random.Next(damaged.Count);
            switch (random.Next(4))
            {
                case 0:
                    damaged[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    damaged[at] = (byte)random.Next(256);
                    break;
                case 2:
                    damaged.RemoveRange(at, Math.Min(random.Next(1, 8), damaged.Count - at));
                    break;
                default:
                    damaged.InsertRange(at, damaged.GetRange(at, Math.Min(random.Next(1, 40), damaged.Count - at)));
                    break;
            }
        }
        return [.. damaged];
    }

    private static void Damage(GraphProto graph, Random random)
    {
        long[] numbers = [0, 1, -1, 2, 3, 7, 64, 65_536, int.MaxValue, 1L << 40, long.MaxValue, long.MinValue];
        var node = graph.Node[random.Next(graph.Node.Count)];
        var tensor = graph.Initializer[random.Next(graph.Initializer.Count)];
        string[] names = ["", "x", "y", .. graph.Node.SelectMany(item => item.Output),
            .. graph.Initializer.Select(item => item.Name)];
        var name = names[random.Next(names.Length)];
        switch (random.Next(9))
        {
            case 0 when node.Input.Count > 0:
                node.Input[random.Next(node.Input.Count)] = name;
                break;
            case 1:
                node.Input.Add(name);
                break;
            case 2 when node.Input.Count > 0:
                node.Input.RemoveAt(random.Next(node.Input.Count));
                break;
            case 3 when node.Attribute.Count > 0:
                var attribute = node.Attribute[random.Next(node.Attribute.Count)];
                if (attribute.Ints.Count > 0)
                    attribute.Ints[random.Next(attribute.Ints.Count)] = numbers[random.Next(numbers.Length)];
                else
                    attribute.I = numbers[random.Next(numbers.Length)];
                break;
            case 4 when node.Attribute.Count > 0:
                node.Attribute.RemoveAt(0);
                break;
            case 5:
                node.OpType = graph.Node[random.Next(graph.Node.Count)].OpType;
                break;
            case 6 when tensor.Dims.Count > 0:
                tensor.Dims[random.Next(tensor.Dims.Count)] = numbers[random.Next(numbers.Length)];
                break;
            case 7 when tensor.Int64Data.Count > 0:
                tensor.Int64Data[random.Next(tensor.Int64Data.Count)] = numbers[random.Next(numbers.Length)];
                break;
            default:
                tensor.DataType = random.Next(25);
                break;
        }
    }

    /// <summary>Some of everything, small enough to be damaged at every byte.</summary>
    private static byte[] SmallModel() => ModelOf(13, [-1, 2, 4, 4],
        Random("w", 1, 2, 2, 3, 3), Random("scale", 2, 2), Random("bias", 3, 2), Random("mean", 4, 2),
        Floats("variance", [2], 1, 2), Random("fc", 5, 3, 2),
        Longs("two", 2), Longs("axes", 2, 3), Longs("minus", -1), Longs("start", 0), Longs("end", 1),
        Node("Conv", "x w", "c", ("pads", new[] { 1L, 1, 1, 1 }), ("strides", new[] { 1L, 1 }), ("group", 1)),
        Node("BatchNormalization", "c scale bias mean variance", "n", ("epsilon", 1e-5f)),
        Node("Relu", "n", "r"),
        Node("ConstantOfShape", "two", "zeros", ("value", Longs("", 0))),
        Node("Concat", "zeros zeros zeros zeros", "pads", ("axis", 0)),
        Node("Pad", "r pads", "p", ("mode", "constant")),
        Node("AveragePool", "p", "a", ("kernel_shape", new[] { 4L, 4 }), ("strides", new[] { 4L, 4 }),
            ("auto_pad", "NOTSET")),
        Node("Shape", "a", "s"),
        Node("Slice", "s start end", "batch"),
        Node("Concat", "batch minus", "flat", ("axis", 0)),
        Node("Reshape", "a flat", "f"),
        Node("Gemm", "f fc", "g", ("transB", 1), ("alpha", 0.5f)),
        Node("Constant", "", "shift", ("value", Floats("", [3], 1, 2, 3))),
        Node("Add", "g shift", "y")).ToByteArray();
}

using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// Every operator on inputs and attributes that make no sense: the file is refused, or the pass is, and nothing else
/// happens.
/// </summary>
[TestClass]
public class OperatorFuzzTests
{
    private static readonly string[] AttributeNames =
    [
        "axis", "axes", "keepdims", "pads", "kernel_shape", "strides", "dilations", "group", "alpha", "beta", "transA",
        "transB", "perm", "to", "mode", "value", "num_outputs",
        "split", "blocksize", "epsilon", "equation", "largest", "sorted", "k", "size", "num_groups", "p", "fmod",
        "start", "end", "auto_pad", "ceil_mode", "output_padding", "output_shape",
        "upper", "exclusive", "reverse", "approximate", "coordinate_transformation_mode", "nearest_mode",
        "cubic_coeff_a", "keep_aspect_ratio_policy", "antialias", "block_size", "batch_dims",
        "noop_with_empty_axes", "allowzero", "count_include_pad", "storage_order", "bias", "stash_type",
    ];

    private static IEnumerable<object[]> Operators =>
        OperatorTable.Definitions.Keys.Order(StringComparer.Ordinal).Select(type => new object[] { type });

    [TestMethod]
    [DynamicData(nameof(Operators))]
    [Timeout(20_000)]
    public void MakesSenseOrIsRefused(string type)
    {
        var random = new Random(type.Length * 1000 + type[0]);
        for (var i = 0; i < 150; i++)
        {
            var model = ModelOf(random.Next(3) == 0 ? random.Next(9, 22) : 21, RandomShape(random),
                [.. Parts(type, random)]);
            LiveTensors.AssertUnchanged(() => LoadAndCompute(model));
        }
    }

    private static void LoadAndCompute(ModelProto model)
    {
        try
        {
            using var network = Load(model);
            var shape = network.Graph.Inputs[0].Shape.ToArray().Select(size => Math.Max(0, size)).ToArray();
            using var input = TensorData.Of<float>(new float[TensorShape.ElementCount(shape)!.Value], shape).ToTorch();
            try
            {
                network.Forward(input).Dispose();
            }
            catch (InvalidOperationException exception)
            {
                // A node in the form of an old opset becomes nodes of other operators, which have its name.
                var type = model.Graph.Node[^1].OpType;
                Assert.IsTrue(exception.Message.Contains($"({type})") || exception.Message.Contains($"Node '{type}-"),
                    $"The message does not name the node: {exception.Message}");
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
        }
        catch (Exception exception) when (exception is not AssertFailedException)
        {
            Assert.Fail($"{model.Graph}: {exception}");
        }
    }

    private static IEnumerable<IMessage> Parts(string type, Random random)
    {
        var inputs = new List<string>();
        var definition = OperatorTable.Definitions[type];
        for (var n = random.Next(Math.Max(0, definition.MinInputs - 1), Math.Min(definition.MaxInputs, 5) + 2); n > 0; n--)
        {
            var name = random.Next(8) == 0 ? "_" : random.Next(6) == 0 ? "x" : $"c{n}";
            inputs.Add(name);
            if (name[0] == 'c')
                yield return RandomTensor(name, random);
        }
        var outputs = random.Next(5) == 0 ? "y z" : "y";
        var node = Node(type, string.Join(' ', inputs), outputs);
        foreach (var name in AttributeNames.Where(_ => random.Next(8) == 0))
            node.Attribute.Add(Attribute(name, RandomAttribute(random)));
        yield return node;
    }

    private static TensorProto RandomTensor(string name, Random random)
    {
        var shape = RandomShape(random);
        var count = (int)shape.Aggregate(1L, (product, size) => product * size);
        ElementType[] types = [ElementType.Float32, ElementType.Float32, ElementType.Int64, ElementType.Int64,
            ElementType.Int64, ElementType.Bool, ElementType.Int32, ElementType.Float16, ElementType.UInt8,
            ElementType.Int8, ElementType.Float64, ElementType.Int4];
        var tensor = new TensorProto { Name = name, DataType = (int)types[random.Next(types.Length)], Dims = { shape } };
        var size = ((ElementType)tensor.DataType).BitsInFile() * count;
        var bytes = new byte[(size + 7) / 8];
        if (tensor.DataType == (int)ElementType.Int64)
        {
            long[] numbers = [0, 1, 2, 3, -1, -2, 4, 100, 1L << 33, long.MaxValue, long.MinValue];
            for (var i = 0; i < count; i++)
                BitConverter.TryWriteBytes(bytes.AsSpan(8 * i),
                    numbers[random.Next(random.Next(4) == 0 ? numbers.Length : 7)]);
        }
        else
        {
            random.NextBytes(bytes);
        }
        tensor.RawData = ByteString.CopyFrom(bytes);
        return tensor;
    }

    private static long[] RandomShape(Random random) =>
        [.. Enumerable.Range(0, random.Next(6)).Select(_ => (long)random.Next(random.Next(4) == 0 ? 0 : 1, 5))];

    private static object RandomAttribute(Random random)
    {
        int[] integers = [0, 1, 2, 3, -1, -2, 7, 11, 100, int.MaxValue, int.MinValue];
        long[] numbers = [0, 1, 2, 3, -1, 1L << 40, long.MaxValue, long.MinValue];
        string[] texts = ["", "nearest", "SAME_UPPER", "VALID", "reflect", "edge", "linear", "cubic", "ij->ji", "i,i->",
            "...", "ij,jk", "tanh", "CRD", "wrap"];
        return random.Next(7) switch
        {
            0 or 1 or 2 => integers[random.Next(random.Next(3) == 0 ? integers.Length : 5)],
            3 => random.NextSingle(),
            4 => texts[random.Next(texts.Length)],
            5 => Enumerable.Range(0, random.Next(5))
                .Select(_ => numbers[random.Next(random.Next(3) == 0 ? numbers.Length : 4)]).ToArray(),
            _ => Floats("", [1], random.NextSingle()),
        };
    }
}

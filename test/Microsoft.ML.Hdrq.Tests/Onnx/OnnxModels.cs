using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Kind = Microsoft.ML.Hdrq.Onnx.Protobuf.AttributeProto.Types.AttributeType;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>ONNX models written message by message, as other exporters and attackers would.</summary>
internal static class OnnxModels
{
    /// <summary>A model with an input <c>x</c> and an output <c>y</c> of single precision.</summary>
    public static ModelProto ModelOf(int opset, long[] inputShape, params IMessage[] parts)
    {
        var graph = new GraphProto { Name = "test", Input = { Value("x", inputShape) }, Output = { Value("y") } };
        foreach (var part in parts)
        {
            if (part is NodeProto node)
                graph.Node.Add(node);
            else
                graph.Initializer.Add((TensorProto)part);
        }
        return ModelOf(opset, graph);
    }

    public static ModelProto ModelOf(int opset, GraphProto graph) => new()
    {
        IrVersion = opset switch { 9 => 4, 10 => 5, 11 => 6, < 15 => 7, < 19 => 8, < 21 => 9, _ => 10 },
        OpsetImport = { new OperatorSetIdProto { Domain = "", Version = opset } },
        Graph = graph,
    };

    /// <summary>A value of single precision; without a shape where none is given.</summary>
    public static ValueInfoProto Value(string name, params long[] shape) =>
        Value(name, ElementType.Float32, shape.Length == 0 ? null : shape);

    public static ValueInfoProto Value(string name, ElementType type, long[]? shape)
    {
        var tensor = new TypeProto.Types.Tensor { ElemType = (int)type };
        if (shape is not null)
        {
            tensor.Shape = new TensorShapeProto();
            tensor.Shape.Dim.AddRange(shape.Select(
                size => size < 0 ? new TensorShapeProto.Types.Dimension { DimParam = "N" }
                : new TensorShapeProto.Types.Dimension { DimValue = size }));
        }
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = tensor } };
    }

    /// <summary>A node; inputs and outputs are separated by spaces, and <c>_</c> stands for one that is left out.</summary>
    public static NodeProto Node(string type, string inputs, string outputs, params (string Name, object Value)[] attributes)
    {
        var node = new NodeProto { Name = $"{type}-{outputs}", OpType = type };
        node.Input.AddRange(Names(inputs));
        node.Output.AddRange(Names(outputs));
        node.Attribute.AddRange(attributes.Select(attribute => Attribute(attribute.Name, attribute.Value)));
        return node;

        static IEnumerable<string> Names(string names) =>
            names.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(name => name == "_" ? "" : name);
    }

    public static AttributeProto Attribute(string name, object value)
    {
        var attribute = new AttributeProto { Name = name };
        switch (value)
        {
            case int number:
                (attribute.Type, attribute.I) = (Kind.Int, number);
                break;
            case float number:
                (attribute.Type, attribute.F) = (Kind.Float, number);
                break;
            case string text:
                (attribute.Type, attribute.S) = (Kind.String, ByteString.CopyFromUtf8(text));
                break;
            case TensorProto tensor:
                (attribute.Type, attribute.T) = (Kind.Tensor, tensor);
                break;
            case long[] numbers:
                attribute.Type = Kind.Ints;
                attribute.Ints.AddRange(numbers);
                break;
            case float[] numbers:
                attribute.Type = Kind.Floats;
                attribute.Floats.AddRange(numbers);
                break;
            default:
                throw new ArgumentException($"No attribute of {value.GetType()} here.", nameof(value));
        }
        return attribute;
    }

    public static TensorProto Floats(string name, long[] shape, params float[] values)
    {
        var tensor = new TensorProto { Name = name, DataType = (int)ElementType.Float32, Dims = { shape } };
        tensor.FloatData.AddRange(values);
        return tensor;
    }

    /// <summary>Weights between -1 and 1 from a seed.</summary>
    public static TensorProto Random(string name, int seed, params long[] shape)
    {
        var random = new Random(seed);
        return Floats(name, shape, [
            .. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size))
            .Select(_ => random.NextSingle() * 2 - 1)]);
    }

    /// <summary>A list of integers.</summary>
    public static TensorProto Longs(string name, params long[] values)
    {
        var tensor = new TensorProto { Name = name, DataType = (int)ElementType.Int64, Dims = { values.Length } };
        tensor.Int64Data.AddRange(values);
        return tensor;
    }

    public static Network Load(IMessage model, string? externalDataDirectory = null) =>
        Load(model.ToByteArray(), externalDataDirectory);

    public static Network Load(byte[] model, string? externalDataDirectory = null)
    {
        using var stream = new MemoryStream(model);
        return Network.LoadOnnx(stream, externalDataDirectory);
    }

    /// <summary>The tensors of a file that have rows, which are the weights of a network of layers.</summary>
    public static IReadOnlyList<TensorProto> Weights(byte[] model) =>
        [.. ModelProto.Parser.ParseFrom(model).Graph.Initializer.Where(tensor => tensor.Dims.Count > 1)];

    public static byte[] Save(Network network, int? opset = null)
    {
        using var stream = new MemoryStream();
        network.SaveOnnx(stream, new OnnxSaveOptions { Opset = opset });
        return stream.ToArray();
    }

    /// <summary>Asserts that a model is refused as malformed, and that no tensor is left over.</summary>
    public static InvalidDataException AssertMalformed(IMessage model, string? externalDataDirectory = null)
    {
        InvalidDataException? exception = null;
        LiveTensors.AssertUnchanged(
            () => exception = Assert.ThrowsExactly<InvalidDataException>(() => Load(model, externalDataDirectory)));
        return exception!;
    }
}

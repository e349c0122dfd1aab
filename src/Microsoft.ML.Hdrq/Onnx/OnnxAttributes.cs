using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Kind = Microsoft.ML.Hdrq.Onnx.Protobuf.AttributeProto.Types.AttributeType;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>Converts attributes of ONNX nodes to <see cref="OperatorAttributes"/> and back.</summary>
internal static class OnnxAttributes
{
    public static OperatorAttributes Read(NodeProto node, ExternalDataDirectory? external)
    {
        var attributes = OperatorAttributes.None;
        foreach (var attribute in node.Attribute)
        {
            if (attributes.Contains(attribute.Name))
            {
                throw new InvalidDataException(
                    $"Node '{node.Name}' ({node.OpType}) has attribute '{attribute.Name}' twice.");
            }
            object value = attribute.Type switch
            {
                Kind.Float => attribute.F,
                Kind.Int => attribute.I,
                Kind.String => attribute.S.ToStringUtf8(),
                Kind.Tensor when attribute.T is not null => OnnxTensors.Read(attribute.T, external),
                Kind.Floats => attribute.Floats.ToArray(),
                Kind.Ints => attribute.Ints.ToArray(),
                Kind.Strings => attribute.Strings.Select(text => text.ToStringUtf8()).ToArray(),
                _ => throw new InvalidDataException(
                    $"Node '{node.Name}' ({node.OpType}) has attribute '{attribute.Name}' of kind {attribute.Type}, "
                    + "which is not supported."),
            };
            attributes = attributes.With(attribute.Name, value);
        }
        return attributes;
    }

    public static IEnumerable<AttributeProto> Write(OperatorAttributes attributes)
    {
        foreach (var (name, value) in attributes)
        {
            var attribute = new AttributeProto { Name = name };
            switch (value)
            {
                case float number:
                    (attribute.Type, attribute.F) = (Kind.Float, number);
                    break;
                case long number:
                    (attribute.Type, attribute.I) = (Kind.Int, number);
                    break;
                case string text:
                    (attribute.Type, attribute.S) = (Kind.String, ByteString.CopyFromUtf8(text));
                    break;
                case TensorData tensor:
                    (attribute.Type, attribute.T) = (Kind.Tensor, OnnxTensors.Write(name, tensor));
                    break;
                case IEnumerable<float> numbers:
                    attribute.Type = Kind.Floats;
                    attribute.Floats.AddRange(numbers);
                    break;
                case IEnumerable<long> numbers:
                    attribute.Type = Kind.Ints;
                    attribute.Ints.AddRange(numbers);
                    break;
                case IEnumerable<string> texts:
                    attribute.Type = Kind.Strings;
                    attribute.Strings.AddRange(texts.Select(ByteString.CopyFromUtf8));
                    break;
            }
            yield return attribute;
        }
    }
}

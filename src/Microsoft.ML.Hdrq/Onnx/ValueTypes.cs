using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>The element types of all values of a graph, as ONNX infers them.</summary>
internal sealed class ValueTypes
{
    private readonly Dictionary<string, ElementType> _types = new(StringComparer.Ordinal);

    public ValueTypes(Graph graph)
    {
        foreach (var input in graph.Inputs)
            _types.Add(input.Name, input.ElementType);
        foreach (var parameter in graph.Parameters)
            _types.Add(parameter.Name, parameter.ElementType);
        foreach (var node in graph.Nodes)
        {
            for (var i = 0; i < node.Outputs.Length; i++)
            {
                if (node.Outputs[i].Length > 0 && Output(node, i) is { } type)
                    _types.Add(node.Outputs[i], type);
            }
        }
    }

    /// <summary>The type of a value; null for an input that is left out.</summary>
    public ElementType? Of(string name) => _types.TryGetValue(name, out var type) ? type : null;

    private ElementType? Output(GraphNode node, int output)
    {
        var attributes = node.Operator.Attributes;
        return node.Operator.Type switch
        {
            "Shape" or "Size" or "ArgMax" or "ArgMin" or "NonMaxSuppression" => ElementType.Int64,
            "OneHot" => Input(2),
            "TopK" when output == 1 => ElementType.Int64,
            "Dropout" when output == 1 => ElementType.Bool,
            "Equal" or "Less" or "LessOrEqual" or "Greater" or "GreaterOrEqual" or "And" or "Or" or "Xor" or "Not"
                or "IsInf" or "IsNaN" => ElementType.Bool,
            "Cast" => (ElementType)attributes.Integer("to", 0),
            "DequantizeLinear" when attributes.Integer("output_dtype", 0) is var type and not 0 => (ElementType)type,
            "CastLike" or "Where" or "DequantizeLinear" => Input(1),
            "ConstantOfShape" => attributes.Tensor("value")?.ElementType ?? ElementType.Float32,
            "QuantizeLinear" when attributes.Integer("output_dtype", 0) is var type and not 0 => (ElementType)type,
            "QuantizeLinear" => Input(2) ?? ElementType.UInt8,
            _ => Input(0),
        };

        ElementType? Input(int index) => index < node.Inputs.Length ? Of(node.Inputs[index]) : null;
    }
}

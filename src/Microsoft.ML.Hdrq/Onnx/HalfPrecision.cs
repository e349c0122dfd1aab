using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Networks in half precision. They are computed in single precision here, as training and quantization need it, and
/// written in half precision only when asked.
/// </summary>
internal static class HalfPrecision
{
    /// <summary>Whether a file's network is in half precision: its input, or the weight of a layer.</summary>
    public static bool IsUsed(IEnumerable<GraphValue> inputs, IEnumerable<OnnxNode> nodes, OnnxTensorPool tensors)
    {
        return inputs.Any(input => input.ElementType == ElementType.Float16)
            || nodes.Any(node => OperatorTable.Definitions.TryGetValue(node.Type, out var definition)
                && definition.WeightInputs.Any(index => IsHalf(node.Input(index))));

        bool IsHalf(string name) =>
            tensors.TryGet(name, out var tensor) && tensor.ElementType == ElementType.Float16;
    }

    /// <summary>Brings what nodes say of element types to single precision.</summary>
    public static void Widen(IEnumerable<OnnxNode> nodes)
    {
        foreach (var node in nodes)
        {
            foreach (var name in new[] { "to", "output_dtype", "precision" })
            {
                if (node.Attributes.TryGet(name, out var type) && type is (long)ElementType.Float16)
                {
                    node.Attributes = name == "to"
                        ? node.Attributes.With(name, (long)ElementType.Float32)
                        : node.Attributes.Without(name);
                }
            }
            if (node.Attributes.TryGet("value", out var value)
                && value is TensorData { ElementType: ElementType.Float16 } data)
            {
                node.Attributes = node.Attributes.With("value", Widen(data));
            }
        }
    }

    /// <summary>The same values in single precision; other types unchanged.</summary>
    public static TensorData Widen(TensorData data)
    {
        if (data.ElementType != ElementType.Float16)
            return data;
        var values = Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(data.Bytes).ToArray(), value => (float)value);
        return TensorData.Of<float>(values, data.Shape);
    }

    /// <summary>The same value in single precision; other types unchanged.</summary>
    public static GraphValue Widen(GraphValue value) => value.ElementType == ElementType.Float16
        ? new GraphValue(value.Name, ElementType.Float32, value.Shape)
        : value;

    /// <summary>Lets casts that no longer change a type pass their input on.</summary>
    public static Graph WithoutCasts(Graph graph)
    {
        var types = new ValueTypes(graph);
        return new Graph(
            graph.Inputs,
            graph.Parameters,
            [
                .. graph.Nodes.Select(node => node.Operator is Cast
                    && types.Of(node.Inputs[0]) == types.Of(node.Outputs[0])
                    ? new GraphNode(node.Name, Operator.Create("Identity"), node.Inputs, node.Outputs)
                    : node),
            ],
            graph.Outputs);
    }

    /// <summary>The network in half precision: inputs, outputs, weights and what is computed.</summary>
    /// <param name="network">The network; not changed.</param>
    /// <returns>The network, owned by the caller.</returns>
    /// <exception cref="NotSupportedException">The network is quantized.</exception>
    public static Network Narrow(Network network)
    {
        if (network.IsQuantized)
            throw new NotSupportedException("A quantized network is not written in half precision.");
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var names = new UniqueNames(
        [
            .. network.Graph.Inputs.Select(input => input.Name),
            .. network.Graph.Parameters.Select(parameter => parameter.Name),
            .. network.Graph.Nodes.SelectMany(node => node.Outputs),
        ]);
        var single = new ValueTypes(network.Graph);
        var nodes = new List<GraphNode>();
        // What every opset takes in single precision only, such as the scales of a resize, stays so.
        var kept = new HashSet<string>(StringComparer.Ordinal);
        var parameters = network.Graph.Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var node in network.Graph.Nodes)
        {
            var narrow = Enumerable.Range(0, node.Inputs.Length)
                .All(i => single.Of(node.Inputs[i]) != ElementType.Float32
                    || OpsetTypes.Takes(node, i, ElementType.Float16)
                    || parameters.Contains(node.Inputs[i]) && node.Operator.Definition.SteeringInputs.Contains(i));
            var inputs = node.Inputs.ToArray();
            for (var i = 0; i < inputs.Length; i++)
            {
                if (single.Of(inputs[i]) != ElementType.Float32
                    || narrow && OpsetTypes.Takes(node, i, ElementType.Float16) && !kept.Contains(inputs[i]))
                {
                    continue;
                }
                if (parameters.Contains(inputs[i]) && network.Graph.Flow.Readers(inputs[i]).Count() == 1)
                    kept.Add(inputs[i]);
                else if (!kept.Contains(inputs[i]))
                    inputs[i] = Cast(inputs[i], ElementType.Float32);
            }
            var outputs = node.Outputs.ToArray();
            var later = new List<GraphNode>();
            for (var i = 0; i < outputs.Length && !narrow; i++)
            {
                if (outputs[i].Length == 0 || single.Of(outputs[i]) != ElementType.Float32)
                    continue;
                var wide = names.Fresh($"{outputs[i]}.single");
                later.Add(new GraphNode(outputs[i], CastTo(ElementType.Float16), [wide], [outputs[i]]));
                outputs[i] = wide;
            }
            nodes.Add(new GraphNode(node.Name, Narrowed(node.Operator), [.. inputs], [.. outputs]));
            nodes.AddRange(later);
        }
        var graph = new Graph(
            [.. network.Graph.Inputs.Select(Value)],
            [
                .. network.Graph.Parameters.Select(parameter => IsNarrow(parameter)
                    ? new ParameterDefinition(parameter.Name, ElementType.Float16, parameter.Shape, parameter.Role)
                    : parameter),
            ],
            [.. nodes],
            [.. network.Graph.Outputs.Select(Value)]);
        return new Network(
            graph,
            network.Graph.Parameters.ToDictionary(
                parameter => parameter.Name,
                parameter => IsNarrow(parameter)
                    ? network.Parameters[parameter.Name].detach().to(torch.ScalarType.Float16)
                    : network.Parameters[parameter.Name].detach().clone()),
            network.Device)
        { Metadata = network.Metadata, MaxValueSize = network.MaxValueSize };

        bool IsNarrow(ParameterDefinition parameter) =>
            parameter.ElementType == ElementType.Float32 && !kept.Contains(parameter.Name);

        static GraphValue Value(GraphValue value) => value.ElementType == ElementType.Float32
            ? new GraphValue(value.Name, ElementType.Float16, value.Shape)
            : value;

        string Cast(string value, ElementType type)
        {
            var name = names.Fresh($"{value}.cast");
            nodes.Add(new GraphNode(name, CastTo(type), [value], [name]));
            return name;
        }
    }

    private static Operator CastTo(ElementType type) =>
        Operator.Create("Cast", new OperatorAttributes(("to", (long)type)));

    /// <summary>The operator, giving half precision where it names single precision.</summary>
    private static Operator Narrowed(Operator operation)
    {
        if (operation is Cast && operation.Attributes.Integer("to", 0) == (long)ElementType.Float32)
            return CastTo(ElementType.Float16);
        return operation is ConstantOfShape && operation.Attributes.Tensor("value") is var value
            && (value is null || value.ElementType == ElementType.Float32)
            ? Operator.Create(operation.Type, operation.Attributes.With("value", TensorData.Of<Half>(
                [(Half)(value is null ? 0 : MemoryMarshal.Read<float>(value.Bytes))], 1)))
            : operation;
    }
}

using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Finds which values of a graph carry data, as opposed to shapes and values computed from shapes, and which nodes
/// define and read them.
/// </summary>
internal sealed class DataFlow
{
    private readonly HashSet<string> _data;
    private readonly Dictionary<string, GraphNode> _definers = new(StringComparer.Ordinal);
    private readonly ILookup<string, GraphNode> _readers;

    public DataFlow(Graph graph)
    {
        _data = graph.Inputs.Select(input => input.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            foreach (var output in node.Outputs)
            {
                if (output.Length == 0)
                    continue;
                _definers.Add(output, node);
                if (!node.Operator.Traits.HasFlag(OperatorTraits.ReadsShape) && node.Inputs.Any(_data.Contains))
                    _data.Add(output);
            }
        }
        _readers = graph.Nodes
            .SelectMany(node => node.Inputs.Distinct().Select(input => (input, node)))
            .ToLookup(pair => pair.input, pair => pair.node, StringComparer.Ordinal);
    }

    /// <summary>
    /// Whether a value is an input, or is computed from the elements of one and not only from its shape.
    /// </summary>
    public bool IsData(string value) => _data.Contains(value);

    /// <summary>The node that defines a value; null for inputs and parameters.</summary>
    public GraphNode? Definer(string value) => _definers.GetValueOrDefault(value);

    public IEnumerable<GraphNode> Readers(string value) => _readers[value];

    /// <summary>The data that a node reads.</summary>
    public IEnumerable<string> DataInputs(GraphNode node) => node.Inputs.Where(IsData);

    /// <summary>
    /// Whether a node is a layer with a weight of its own: a convolution, or a matrix product with a value that does
    /// not depend on data. See <see cref="Graph.Layers"/> for its other properties.
    /// </summary>
    public bool IsWeighted(GraphNode node) =>
        node.Operator is LayerOperator
        && IsData(node.Inputs[LayerOperator.DataInput])
        && !IsData(node.Inputs[LayerOperator.WeightInput]);

    /// <summary>Whether a node multiplies matrices of data with each other, as attention does.</summary>
    public bool IsActivationProduct(GraphNode node) => node.Operator is MatMul && node.Inputs.All(IsData);

    /// <summary>Whether a node's first output consists only of elements of its first input and zeros.</summary>
    public static bool MovesValues(GraphNode node) =>
        node.Operator.Traits.HasFlag(OperatorTraits.MovesValues)
        && node.Operator.Definition.MovesValues(node.Inputs.Length);

    /// <summary>
    /// Finds the value whose elements a value consists of, before nodes moved them: a quantizer has to round that value
    /// for this one to be on its grid.
    /// </summary>
    public string Origin(string value)
    {
        while (Definer(value) is { } definer && definer.Outputs[0] == value
            && MovesValues(definer) && IsData(definer.Inputs[0]))
        {
            value = definer.Inputs[0];
        }
        return value;
    }
}



namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Which values of a graph carry data, as opposed to shapes and what is computed from them, and who defines and reads them.</summary>
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
                if (node.Operator.Type is not ("Shape" or "Size") && node.Inputs.Any(_data.Contains))
                    _data.Add(output);
            }
        }
        _readers = graph.Nodes.SelectMany(node => node.Inputs.Distinct().Select(input => (input, node))).ToLookup(pair => pair.input, pair => pair.node, StringComparer.Ordinal);
    }

    /// <summary>Whether a value is an input, or computed from one otherwise than through its shape.</summary>
    public bool IsData(string value) => _data.Contains(value);

    /// <summary>The node that defines a value; null for inputs and parameters.</summary>
    public GraphNode? Definer(string value) => _definers.GetValueOrDefault(value);

    public IEnumerable<GraphNode> Readers(string value) => _readers[value];

    /// <summary>The data that a node reads.</summary>
    public IEnumerable<string> DataInputs(GraphNode node) => node.Inputs.Where(IsData);

    /// <summary>Whether a node is a layer with a weight of its own: a convolution, or a matrix product with a parameter.</summary>
    public bool IsWeighted(GraphNode node) => WeightInput(node) is not null;

    /// <summary>The name of what a weighted layer takes for its weight, possibly through a quantizer; null for other nodes.</summary>
    public string? WeightInput(GraphNode node) =>
        node.Operator.Type is "Conv" or "ConvTranspose" or "Gemm" or "MatMul" && IsData(node.Inputs[0]) && !IsData(node.Inputs[1]) ? node.Inputs[1] : null;

    /// <summary>Whether a node multiplies matrices of data with each other, as attention does.</summary>
    public bool IsActivationProduct(GraphNode node) => node.Operator.Type == "MatMul" && node.Inputs.All(IsData);

    /// <summary>The axis of the output channels in a layer's weight; with groups, a transposed convolution's channels of one group.</summary>
    /// <param name="layer">The layer; 0 where nobody knows it.</param>
    /// <param name="rank">The number of the weight's dimensions.</param>
    public static int OutputAxis(GraphNode? layer, long rank) => layer?.Operator switch
    {
        { Type: "ConvTranspose" } => 1,
        { Type: "MatMul" } => (int)rank - 1,
        Operators.Gemm { TransposeB: false } => 1,
        _ => 0,
    };
}

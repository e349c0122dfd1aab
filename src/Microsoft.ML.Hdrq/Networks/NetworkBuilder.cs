using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Builds a network node by node. Values have names. A builder builds one network, on one thread.</summary>
public sealed class NetworkBuilder : IDisposable
{
    private readonly List<GraphValue> _inputs = [];
    private readonly List<ParameterDefinition> _parameters = [];
    private readonly Dictionary<string, torch.Tensor> _tensors = new(StringComparer.Ordinal);
    private readonly List<GraphNode> _nodes = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private bool _built;

    /// <summary>Starts an empty network.</summary>
    /// <exception cref="TorchUnavailableException">libtorch cannot be loaded on this machine.</exception>
    public NetworkBuilder() => TorchRuntime.EnsureLoaded();

    /// <summary>Declares an input.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">Its sizes, the batch first; -1 where a size is known only with the batch.</param>
    /// <returns>The name.</returns>
    public string Input(string name, params ReadOnlySpan<long> shape) => Input(name, ElementType.Float32, shape);

    /// <summary>Declares an input of an element type.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="elementType">The type of its elements.</param>
    /// <param name="shape">Its sizes, the batch first; -1 where a size is known only with the batch.</param>
    /// <returns>The name.</returns>
    public string Input(string name, ElementType elementType, params ReadOnlySpan<long> shape)
    {
        _inputs.Add(new GraphValue(Claim(name), elementType, shape));
        return name;
    }

    /// <summary>Adds a parameter and takes over its tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="tensor">Its values; the network will own them.</param>
    /// <param name="role">How training and merging treat it.</param>
    /// <param name="elementType">Its element type where Torch does not have it (4-bit integers); null for the tensor's
    /// own.</param>
    /// <returns>The name.</returns>
    public string Parameter(
        string name, torch.Tensor tensor, ParameterRole role = ParameterRole.Weight, ElementType? elementType = null)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        _parameters.Add(new ParameterDefinition(
            Claim(name), elementType ?? ElementTypes.FromTorch(tensor.dtype), tensor.shape, role));
        _tensors.Add(name, tensor.DetachFromDisposeScope());
        return name;
    }

    /// <summary>Adds a constant list of integers, such as a shape.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="values">Its values.</param>
    /// <returns>The name.</returns>
    public string Constant(string name, params ReadOnlySpan<long> values) =>
        Parameter(name, TensorData.Of(values, values.Length).ToTorch(), ParameterRole.Constant);

    /// <summary>Adds a node with one output of the same name.</summary>
    /// <param name="type">The operator's ONNX name.</param>
    /// <param name="name">The name of the node and of its output.</param>
    /// <param name="inputs">Names of the values and parameters that it reads; empty for an optional input left
    /// out.</param>
    /// <param name="attributes">The operator's attributes, in the form of opset 21.</param>
    /// <returns>The name of the output.</returns>
    /// <exception cref="NotSupportedException">The library has no such operator.</exception>
    /// <exception cref="InvalidDataException">An attribute is missing, of the wrong type, or out of range.</exception>
    public string Node(
        string type, string name, ReadOnlySpan<string> inputs,
        params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        Node(new GraphNode(name, Operator.Create(type, new OperatorAttributes(attributes)), [.. inputs], [name]));
        return name;
    }

    /// <summary>Adds a node.</summary>
    /// <param name="node">The node.</param>
    public void Node(GraphNode node)
    {
        ArgumentNullException.ThrowIfNull(node);
        foreach (var output in node.Outputs)
        {
            if (output.Length > 0)
                Claim(output);
        }
        _nodes.Add(node);
    }

    /// <summary>Makes a name that is not taken yet.</summary>
    /// <param name="stem">The desired name.</param>
    /// <returns>The stem, or the stem with a number where it is taken.</returns>
    public string FreshName(string stem)
    {
        var name = stem;
        for (var number = 1; _names.Contains(name); number++)
            name = $"{stem}_{number}";
        return name;
    }

    /// <summary>
    /// Finishes the network. Where a node only brings a weight into another shape or order, its layer reads the moved
    /// weight instead, activations that are written out become single operators, and paddings and resizes that name
    /// axes give all sizes, as in a network that was read from a file.
    /// </summary>
    /// <param name="outputs">Its outputs, with sizes of -1 where they are known only with the batch.</param>
    /// <returns>The network, owned by the caller, on the CPU.</returns>
    /// <exception cref="ArgumentException">The graph is not well formed; see <see cref="Graph"/>.</exception>
    public Network Build(params ReadOnlySpan<GraphValue> outputs)
    {
        ObjectDisposedException.ThrowIf(_built, this);
        var graph = new Graph([.. _inputs], [.. _parameters], [.. _nodes], [.. outputs]);
        var network = new Network(graph, _tensors);
        _built = true;
        if (FoldConstants.MovesParameters(graph))
        {
            using var built = network;
            network = FoldConstants.Apply(built);
        }
        return StandardForms.Apply(network);
    }

    /// <summary>Frees the parameters of a network that was not finished.</summary>
    public void Dispose()
    {
        if (_built)
            return;
        _built = true;
        foreach (var tensor in _tensors.Values)
            tensor.Dispose();
    }

    private string Claim(string name)
    {
        ObjectDisposedException.ThrowIf(_built, this);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return _names.Add(name) ? name : throw new ArgumentException($"'{name}' is defined twice.", nameof(name));
    }
}

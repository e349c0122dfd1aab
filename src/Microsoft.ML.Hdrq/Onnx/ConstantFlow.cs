using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using TorchSharp;
using Kind = Microsoft.ML.Hdrq.Onnx.Protobuf.AttributeProto.Types.AttributeType;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Replaces control flow that does not depend on data: an <c>If</c> by the branch that its condition chooses, a
/// <c>Loop</c> by its body as often as it is repeated. Exporters write both around what depends on shapes only. What
/// depends on data stays, and is refused like any operator that is not supported.
/// </summary>
internal sealed class ConstantFlow
{
    private const int MaxRounds = 1000;
    private const long MaxNodes = OnnxReader.MaxNodes;

    /// <summary>
    /// Sizes of unknown dimensions, the batch and the others, for which a condition has to be the same.
    /// </summary>
    private static readonly (long Batch, long Other)[] Guesses = [(1, 64), (3, 64), (3, 224)];

    private readonly ModelProto _model;
    private readonly GraphProto _graph;
    private readonly ExternalDataDirectory? _external;
    private readonly long _maxValueSize;
    private readonly UniqueNames _names;

    private ConstantFlow(ModelProto model, ExternalDataDirectory? external, long maxValueSize)
    {
        (_model, _graph, _external, _maxValueSize) = (model, model.Graph, external, maxValueSize);
        _names = new UniqueNames(
        [
            .. _graph.Input.Select(input => input.Name),
            .. _graph.Initializer.Select(tensor => tensor.Name),
            .. _graph.Node.SelectMany(node => node.Output),
        ]);
    }

    /// <summary>Replaces control flow.</summary>
    /// <param name="model">The model; changed in place.</param>
    /// <param name="external">The folder of tensors outside the model file; null when there is none.</param>
    /// <param name="maxValueSize">The maximum number of bytes of a value.</param>
    public static void Replace(ModelProto model, ExternalDataDirectory? external, long maxValueSize)
    {
        if (model.Graph?.Node.Any(IsFlow) == true)
            new ConstantFlow(model, external, maxValueSize).Replace();
    }

    private static bool IsFlow(NodeProto node) => node.Domain is "" or "ai.onnx" && node.OpType is "If" or "Loop";

    private void Replace()
    {
        // A branch may hold further control flow, which is reached in a later round.
        var kept = new HashSet<NodeProto>(ReferenceEqualityComparer.Instance);
        for (var round = 0; round < MaxRounds && _graph.Node.Count <= MaxNodes; round++)
        {
            var index = 0;
            while (index < _graph.Node.Count && !(IsFlow(_graph.Node[index]) && !kept.Contains(_graph.Node[index])))
                index++;
            if (index == _graph.Node.Count)
                return;
            var node = _graph.Node[index];
            if ((node.OpType == "If" ? Branch(node) : Iterations(node)) is not { } nodes)
            {
                kept.Add(node);
                continue;
            }
            var after = _graph.Node.Skip(index + 1).ToList();
            while (_graph.Node.Count > index)
                _graph.Node.RemoveAt(_graph.Node.Count - 1);
            _graph.Node.AddRange(nodes);
            _graph.Node.AddRange(after);
        }
    }

    /// <summary>The nodes of the branch that an <c>If</c> takes; null where that depends on data.</summary>
    private List<NodeProto>? Branch(NodeProto node)
    {
        if (node.Input.Count != 1 || Value(node.Input[0]) is not { } condition
            || Graph(node, condition != 0 ? "then_branch" : "else_branch") is not { } branch
            || branch.Output.Count != node.Output.Count)
        {
            return null;
        }
        var nodes = new List<NodeProto>();
        var inner = Copy(branch, node, [], nodes);
        for (var i = 0; i < node.Output.Count; i++)
        {
            if (node.Output[i].Length > 0)
                nodes.Add(Node("Identity", [Renamed(inner, branch.Output[i].Name)], node.Output[i]));
        }
        return nodes;
    }

    /// <summary>The nodes of all iterations of a <c>Loop</c>; null where their number depends on data.</summary>
    private List<NodeProto>? Iterations(NodeProto node)
    {
        if (node.Input.Count < 2 || node.Input[0].Length == 0
            || Value(node.Input[0]) is not (> 0 and <= MaxRounds and var count)
            || node.Input[1].Length > 0 && Value(node.Input[1]) is not > 0
            || Graph(node, "body") is not { } body
            || body.Input.Count != node.Input.Count || body.Output.Count != node.Output.Count + 1
            || count * body.Node.Count > MaxNodes || !GoesOn(body))
        {
            return null;
        }
        var carried = node.Input.Count - 2;
        var values = node.Input.Skip(2).ToList();
        var collected = Enumerable.Range(0, node.Output.Count - carried).Select(_ => new List<string>()).ToList();
        var nodes = new List<NodeProto>();
        for (var iteration = 0L; iteration < count; iteration++)
        {
            var names = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [body.Input[0].Name] = Constant(TensorData.Of([iteration]), scalar: true),
                [body.Input[1].Name] = Constant(TensorData.Of([true]), scalar: true),
            };
            for (var i = 0; i < carried; i++)
                names[body.Input[i + 2].Name] = values[i];
            var inner = Copy(body, node, names, nodes);
            for (var i = 0; i < carried; i++)
                values[i] = Renamed(inner, body.Output[i + 1].Name);
            for (var i = 0; i < collected.Count; i++)
            {
                // What is collected gets a dimension of its own.
                var shape = _names.Fresh($"{node.Name}.row");
                nodes.Add(Unsqueezed(Renamed(inner, body.Output[carried + 1 + i].Name), shape));
                collected[i].Add(shape);
            }
        }
        for (var i = 0; i < node.Output.Count; i++)
        {
            if (node.Output[i].Length == 0)
                continue;
            if (i < carried)
            {
                nodes.Add(Node("Identity", [values[i]], node.Output[i]));
                continue;
            }
            var joined = Node("Concat", collected[i - carried], node.Output[i]);
            joined.Attribute.Add(new AttributeProto { Name = "axis", Type = Kind.Int, I = 0 });
            nodes.Add(joined);
        }
        return nodes;
    }

    /// <summary>
    /// Whether the body of a loop never ends it: its condition is what it was given, or constantly true.
    /// </summary>
    private static bool GoesOn(GraphProto body)
    {
        var name = body.Output[0].Name;
        for (var step = 0; step <= body.Node.Count; step++)
        {
            if (name == body.Input[1].Name)
                return true;
            var definer = body.Node.FirstOrDefault(node => node.Output.Contains(name));
            var tensor = definer is null
                ? body.Initializer.FirstOrDefault(initializer => initializer.Name == name)
                : definer.OpType == "Constant"
                    ? definer.Attribute.FirstOrDefault(attribute => attribute.Name == "value")?.T
                    : null;
            if (tensor is not null)
                return OnnxTensors.Read(tensor, null).Bytes is [not 0];
            if (definer is not { OpType: "Identity", Input.Count: 1 })
                return false;
            name = definer.Input[0];
        }
        return false;
    }

    /// <summary>Copies the nodes and tensors of a graph within a node, with names of their own.</summary>
    /// <param name="inner">The graph.</param>
    /// <param name="node">The node.</param>
    /// <param name="names">The new names of the graph's inputs.</param>
    /// <param name="nodes">Receives the nodes.</param>
    /// <returns>The new names of the graph's values; others are those of the outer graph.</returns>
    private Dictionary<string, string> Copy(
        GraphProto inner, NodeProto node, Dictionary<string, string> names, List<NodeProto> nodes)
    {
        var prefix = node.Name.Length > 0 ? node.Name : node.Output.FirstOrDefault() ?? node.OpType;
        foreach (var tensor in inner.Initializer)
        {
            var copy = tensor.Clone();
            names[tensor.Name] = copy.Name = _names.Fresh($"{prefix}/{tensor.Name}");
            _graph.Initializer.Add(copy);
        }
        foreach (var output in inner.Node.SelectMany(part => part.Output).Where(output => output.Length > 0))
            names[output] = _names.Fresh($"{prefix}/{output}");
        nodes.AddRange(inner.Node.Select(part => Renamed(part.Clone(), names)));
        return names;
    }

    /// <summary>Renames what a node reads and defines, and what the graphs within it read.</summary>
    private static NodeProto Renamed(NodeProto node, Dictionary<string, string> names)
    {
        for (var i = 0; i < node.Input.Count; i++)
            node.Input[i] = Renamed(names, node.Input[i]);
        for (var i = 0; i < node.Output.Count; i++)
            node.Output[i] = Renamed(names, node.Output[i]);
        foreach (var graph in node.Attribute.Select(attribute => attribute.G).OfType<GraphProto>())
        {
            // Names that the inner graph defines itself hide those around it.
            var own = graph.Input.Select(input => input.Name)
                .Concat(graph.Initializer.Select(tensor => tensor.Name))
                .Concat(graph.Node.SelectMany(part => part.Output))
                .ToHashSet(StringComparer.Ordinal);
            var outer = names.Where(pair => !own.Contains(pair.Key)).ToDictionary(StringComparer.Ordinal);
            foreach (var part in graph.Node)
                Renamed(part, outer);
            foreach (var output in graph.Output)
                output.Name = Renamed(outer, output.Name);
        }
        return node;
    }

    private static string Renamed(Dictionary<string, string> names, string name) => names.GetValueOrDefault(name, name);

    private static GraphProto? Graph(NodeProto node, string attribute) =>
        node.Attribute.FirstOrDefault(candidate => candidate.Name == attribute)?.G;

    private NodeProto Node(string type, IEnumerable<string> inputs, string output)
    {
        var node = new NodeProto { Name = _names.Fresh($"{output}.{type}"), OpType = type, Output = { output } };
        node.Input.AddRange(inputs);
        return node;
    }

    private NodeProto Unsqueezed(string value, string output)
    {
        var opset = _model.OpsetImport.FirstOrDefault(import => import.Domain is "" or "ai.onnx")?.Version ?? 0;
        string[] inputs = opset < 13 ? [value] : [value, Constant(TensorData.Of([0L], 1), scalar: false)];
        var node = Node("Unsqueeze", inputs, output);
        if (opset < 13)
            node.Attribute.Add(new AttributeProto { Name = "axes", Type = Kind.Ints, Ints = { 0 } });
        return node;
    }

    private string Constant(TensorData data, bool scalar)
    {
        var name = _names.Fresh("flow.constant");
        var tensor = OnnxTensors.Write(name, data);
        if (scalar)
            tensor.Dims.Clear();
        _graph.Initializer.Add(tensor);
        return name;
    }

    /// <summary>The only element of a value as an integer; null where the value depends on data.</summary>
    private long? Value(string name)
    {
        try
        {
            using var scope = torch.NewDisposeScope();
            using var network = OnnxReader.Read(Slice(name), _external, _maxValueSize);
            var graph = network.Graph;
            var output = graph.Outputs[0].Name;
            if (network.Parameters.TryGetValue(output, out var constant))
                return Integer(constant);
            if (graph.Flow.IsData(output))
                return null;
            long? result = null;
            foreach (var (batch, other) in Guesses)
            {
                var inputs = graph.Inputs.Select(input => torch.zeros(
                    [.. input.Shape.ToArray().Select((size, d) => size >= 0 ? size : d == 0 ? batch : other)],
                    input.ElementType.ToTorch())).ToArray();
                var value = Integer(network.Run(
                    inputs, new ComputeContext(ForwardMode.Inference, torch.CPU))[0]);
                if (value is null || result is not null && result != value)
                    return null;
                result = value;
            }
            return result;
        }
        catch (Exception exception) when (exception
            is NotSupportedException or InvalidDataException or InvalidOperationException or ArgumentException)
        {
            return null;
        }

        static long? Integer(torch.Tensor tensor) =>
            tensor.numel() == 1 && !tensor.is_floating_point() ? HostValues.Integers(tensor)[0] : null;
    }

    /// <summary>A model that computes only one value.</summary>
    private ModelProto Slice(string name)
    {
        var definers = new Dictionary<string, NodeProto>(StringComparer.Ordinal);
        foreach (var node in _graph.Node)
        {
            foreach (var output in node.Output)
                definers.TryAdd(output, node);
        }
        var needed = new HashSet<NodeProto>(ReferenceEqualityComparer.Instance);
        var read = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>([name]);
        while (open.TryPop(out var next))
        {
            if (!read.Add(next) || !definers.TryGetValue(next, out var definer) || !needed.Add(definer))
                continue;
            if (IsFlow(definer))
                throw new NotSupportedException("The value depends on control flow.");
            foreach (var input in definer.Input)
                open.Push(input);
        }
        var graph = new GraphProto
        {
            Name = "slice",
            Output = { new ValueInfoProto { Name = name } },
        };
        graph.Node.AddRange(_graph.Node.Where(needed.Contains));
        graph.Initializer.AddRange(_graph.Initializer.Where(tensor => read.Contains(tensor.Name)));
        graph.Input.AddRange(_graph.Input.Where(input => read.Contains(input.Name)));
        var initialized = graph.Initializer.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        if (graph.Input.All(input => initialized.Contains(input.Name)))
        {
            graph.Input.Add(new ValueInfoProto
            {
                Name = _names.Fresh("flow.none"),
                Type = new TypeProto
                {
                    TensorType = new TypeProto.Types.Tensor
                    {
                        ElemType = (int)ElementType.Float32,
                        Shape = new TensorShapeProto(),
                    },
                },
            });
        }
        var model = new ModelProto { Graph = graph };
        model.OpsetImport.AddRange(_model.OpsetImport);
        return model;
    }
}

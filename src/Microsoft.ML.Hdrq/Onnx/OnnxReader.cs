using System.Buffers;
using System.Collections.Immutable;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>Reads an ONNX model into a network.</summary>
internal sealed class OnnxReader
{
    /// <summary>Said of what cannot be read at all: what the format's parser found means nothing to users.</summary>
    public const string Damaged = "The file is not an ONNX network, or it is damaged.";

    /// <summary>
    /// The most nodes that are read: several times those of the largest networks for images. Each takes a kilobyte or
    /// two in memory, and a few bytes in a file.
    /// </summary>
    public const int MaxNodes = 100_000;

    private readonly ExternalDataDirectory? _external;
    private readonly int _opset;
    private readonly GraphProto _graph;
    private readonly ImmutableSortedDictionary<string, string> _metadata;
    private readonly OnnxTensorPool _tensors;
    private readonly long _maxValueSize;
    private readonly bool _hasFunctions;

    private OnnxReader(ModelProto model, ExternalDataDirectory? external, long maxValueSize)
    {
        _external = external;
        _maxValueSize = maxValueSize;
        _hasFunctions = model.Functions.Count > 0;
        _graph = model.Graph ?? throw new InvalidDataException(model.CalculateSize() == 0
            ? "The file is empty." : "The file holds no ONNX graph.");
        _opset = ReadOpset(model);
        _metadata = ReadMetadata(model);
        _tensors = new OnnxTensorPool(_graph.Node
            .SelectMany(node => node.Output)
            .Concat(_graph.Input.Select(input => input.Name)));
    }

    /// <summary>Reads a model.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="externalDataDirectory">
    /// The folder of tensors outside the model file; null when there is none.
    /// </param>
    /// <param name="maxValueSize">The maximum number of bytes of a value.</param>
    /// <returns>The network, owned by the caller.</returns>
    /// <exception cref="InvalidDataException">The file is not a well-formed ONNX model.</exception>
    /// <exception cref="NotSupportedException">
    /// The model uses operators or an opset that are not supported, and the message names all of them; or it has more
    /// than <see cref="MaxNodes"/> nodes.
    /// </exception>
    public static Network Read(ReadOnlyMemory<byte> bytes, string? externalDataDirectory, long maxValueSize)
    {
        TorchRuntime.EnsureLoaded();
        ModelProto model;
        try
        {
            model = ModelProto.Parser.WithDiscardUnknownFields(true).ParseFrom(new ReadOnlySequence<byte>(bytes));
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw new InvalidDataException(Damaged, exception);
        }
        var external = externalDataDirectory is null
            ? null
            : new ExternalDataDirectory(externalDataDirectory, maxValueSize);
        return Read(model, external, maxValueSize);
    }

    /// <summary>Reads a model; its control flow is replaced where it is constant.</summary>
    /// <inheritdoc cref="Read(ReadOnlyMemory{byte}, string?, long)" path="/exception"/>
    public static Network Read(ModelProto model, ExternalDataDirectory? external, long maxValueSize)
    {
        CheckLength(model);
        ConstantFlow.Replace(model, external, maxValueSize);
        CheckLength(model);
        return new OnnxReader(model, external, maxValueSize).Read();
    }

    /// <summary>The metadata of a model; where a name is given twice, its last value.</summary>
    public static ImmutableSortedDictionary<string, string> ReadMetadata(ModelProto model) =>
        ToDictionary(model.MetadataProps);

    /// <summary>Reads the metadata of a model, and skips everything else.</summary>
    /// <param name="model">The model's bytes.</param>
    /// <exception cref="InvalidProtocolBufferException">They are not those of a model.</exception>
    public static ImmutableSortedDictionary<string, string> ReadMetadata(Stream model)
    {
        var tag = WireFormat.MakeTag(ModelProto.MetadataPropsFieldNumber, WireFormat.WireType.LengthDelimited);
        var entries = new List<StringStringEntryProto>();
        using var input = new CodedInputStream(model, leaveOpen: true);
        while (input.ReadTag() is > 0 and var next)
        {
            if (next != tag)
            {
                input.SkipLastField();
                continue;
            }
            var entry = new StringStringEntryProto();
            input.ReadMessage(entry);
            entries.Add(entry);
        }
        return ToDictionary(entries);
    }

    private static ImmutableSortedDictionary<string, string> ToDictionary(
        IEnumerable<StringStringEntryProto> entries) => ImmutableSortedDictionary
            .Create<string, string>(StringComparer.Ordinal)
            .SetItems(entries.Select(entry => KeyValuePair.Create(entry.Key, entry.Value)));

    private static void CheckLength(ModelProto model)
    {
        if (model.Graph?.Node.Count > MaxNodes)
        {
            throw new NotSupportedException(
                $"The model has {model.Graph.Node.Count} nodes; models of up to {MaxNodes} nodes are read.");
        }
    }

    private Network Read()
    {
        RefuseUnsupportedOperators();
        if (_graph.SparseInitializer.Count > 0)
            throw new NotSupportedException("The model has sparse tensors, which are not supported.");
        foreach (var initializer in _graph.Initializer)
        {
            var tensor = OnnxTensors.Read(initializer, _external);
            if (tensor.Bytes.Length > _maxValueSize)
                throw ExternalDataDirectory.TooLarge(initializer, tensor.Bytes.Length, _maxValueSize);
            _tensors.Define(initializer.Name, tensor);
        }

        // Before version 4 of the format, initializers were also listed among the inputs.
        var inputs = _graph.Input
            .Where(input => !_tensors.Contains(input.Name))
            .Select(input => ReadValue(input, isInput: true))
            .ToImmutableArray();
        if (inputs.IsEmpty)
            throw new InvalidDataException("The graph has no input.");
        ReadConstants();
        var outputNames = _graph.Output.Select(output => output.Name).ToHashSet(StringComparer.Ordinal);
        var read = ReadNodes();
        var isHalf = HalfPrecision.IsUsed(inputs, read, _tensors);
        if (isHalf)
        {
            _tensors.ConvertAll(HalfPrecision.Widen);
            HalfPrecision.Widen(read);
            inputs = [.. inputs.Select(HalfPrecision.Widen)];
        }
        var quantizers = QuantizerForms.Collapse(read, _tensors, outputNames);
        var quantized = BiasForms.Collapse(quantizers, _tensors, outputNames);
        var given = _tensors.Names.Concat(inputs.Select(input => input.Name));
        var nodes = MovedValueForms.Collapse(TopologicalOrder.Sort(quantized, given), outputNames);
        var outputs = _graph.Output.Select(output => ReadValue(output, isInput: false)).ToImmutableArray();
        return Assemble(inputs, nodes, isHalf ? [.. outputs.Select(HalfPrecision.Widen)] : outputs, isHalf);
    }

    private static int ReadOpset(ModelProto model)
    {
        var import = model.OpsetImport.FirstOrDefault(import => import.Domain is "" or "ai.onnx");
        if (import is not { Version: var version })
        {
            var others = string.Join(", ", model.OpsetImport.Select(import => $"'{import.Domain}' {import.Version}"));
            throw new InvalidDataException(
                "The model does not say which ONNX opset it uses: among its opset imports "
                + $"({(others.Length > 0 ? others : "there are none")}) none is of the default domain, '' or "
                + "'ai.onnx'.");
        }
        return version is >= OpsetForms.OldestRead and <= OpsetForms.Newest
            ? (int)version
            : throw new NotSupportedException(
                $"The model uses ONNX opset {version}; "
                + $"opsets {OpsetForms.OldestRead} to {OpsetForms.Newest} are supported.");
    }

    private void RefuseUnsupportedOperators()
    {
        const int shownTypes = 20;
        const int shownPlaces = 3;
        var unsupported = new SortedDictionary<string, List<NodeProto>>(StringComparer.Ordinal);
        foreach (var node in _graph.Node)
        {
            var isDefaultDomain = node.Domain is "" or "ai.onnx";
            var isSupported = node.OpType is "Constant" or "Upsample" or "Scatter"
                || Operator.IsSupported(node.OpType) && node.OpType != FakeQuantize.Name;
            if (isDefaultDomain && isSupported)
                continue;
            var type = isDefaultDomain ? node.OpType : $"{node.Domain}.{node.OpType}";
            if (!unsupported.TryGetValue(type, out var nodes))
                unsupported.Add(type, nodes = []);
            nodes.Add(node);
        }
        if (unsupported.Count > 0)
        {
            var list = string.Join("; ", unsupported.Take(shownTypes).Select(pair => Describe(pair.Key, pair.Value)));
            var more = unsupported.Count > shownTypes ? $"; and {unsupported.Count - shownTypes} others" : "";
            var remedy = !_hasFunctions ? ""
                : " Functions of the model's own are not read; let the exporter inline them.";
            throw new NotSupportedException(
                $"The model uses operators that are not supported: {list}{more}.{remedy}");
        }

        static string Describe(string type, List<NodeProto> nodes)
        {
            var places = string.Join(", ", nodes.Take(shownPlaces)
                .Select(node => $"'{Short(node.Name.Length > 0 ? node.Name : node.Output.FirstOrDefault() ?? "?")}'"));
            return nodes.Count switch
            {
                1 => $"{Short(type)} (node {places})",
                <= shownPlaces => $"{Short(type)} ({nodes.Count} nodes: {places})",
                _ => $"{Short(type)} ({nodes.Count} nodes: {places}, ...)",
            };
        }

        // Names come from the file, and have any length.
        static string Short(string name) => name.Length <= 100 ? name : $"{name[..100]}...";
    }

    private void ReadConstants()
    {
        foreach (var proto in _graph.Node)
        {
            if (proto.Output.Count == 0 || proto.Output[0].Length == 0)
                throw new InvalidDataException($"Node '{proto.Name}' ({proto.OpType}) has no output.");
            if (proto.OpType == "Constant")
                _tensors.Define(
                    proto.Output[0],
                    ReadConstant(proto, OnnxAttributes.Read(proto, _external)),
                    isConstant: true);
        }
    }

    private List<OnnxNode> ReadNodes()
    {
        var nodes = new List<OnnxNode>(_graph.Node.Count);
        foreach (var proto in _graph.Node)
        {
            if (proto.OpType == "Constant")
                continue;
            var node = new OnnxNode(
                proto.Name,
                proto.OpType,
                OnnxAttributes.Read(proto, _external),
                proto.Input,
                proto.Output);
            try
            {
                nodes.AddRange(OpsetForms.Upgrade(node, _opset, _tensors));
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException($"Node {node}: {exception.Message}", exception);
            }
        }
        return nodes;
    }

    private static TensorData ReadConstant(NodeProto node, OperatorAttributes attributes)
    {
        if (attributes.Count == 1)
        {
            switch (attributes.Single().Value)
            {
                case TensorData tensor:
                    return tensor;
                case float number:
                    return TensorData.Of([number]);
                case long number:
                    return TensorData.Of([number]);
                case ImmutableArray<float> numbers:
                    return TensorData.Of(numbers.AsSpan(), numbers.Length);
                case ImmutableArray<long> numbers:
                    return TensorData.Of(numbers.AsSpan(), numbers.Length);
            }
        }
        throw new InvalidDataException(
            $"Node '{node.Name}' (Constant) does not hold exactly one number, list of numbers, or tensor.");
    }

    private static GraphValue ReadValue(ValueInfoProto value, bool isInput)
    {
        var what = $"{(isInput ? "Input" : "Output")} '{value.Name}'";
        if (value.Name.Length == 0)
            throw new InvalidDataException($"{(isInput ? "An input" : "An output")} of the graph has no name.");
        if (value.Type?.TensorType is not { } tensor)
        {
            return isInput
                ? throw new InvalidDataException($"{what} has no tensor type.")
                : new GraphValue(value.Name, ElementType.Float32, []);
        }
        var type = OnnxTensors.ReadElementType(tensor.ElemType, what);
        if (tensor.Shape is null)
        {
            return isInput
                ? throw new InvalidDataException($"{what} has no shape.")
                : new GraphValue(value.Name, type, []);
        }
        // Some exporters write 0 or -1 for an unknown size.
        var shape = tensor.Shape.Dim
            .Select(dimension => dimension.DimValue > 0 ? dimension.DimValue : TensorShape.Dynamic)
            .ToArray();
        if (shape.Any(size => size > int.MaxValue))
        {
            throw new InvalidDataException(
                $"{what} has shape {TensorShape.Describe(shape)}, which is too large.");
        }
        return new GraphValue(value.Name, type, shape);
    }

    private Network Assemble(
        ImmutableArray<GraphValue> inputs,
        IReadOnlyList<OnnxNode> nodes,
        ImmutableArray<GraphValue> outputs,
        bool isHalf)
    {
        // When an error occurs, the scope disposes everything that is not part of the finished network.
        using var scope = torch.NewDisposeScope();
        try
        {
            var graphNodes = nodes.Select(MakeNode).ToImmutableArray();
            var roles = new ParameterRoles(graphNodes, outputs.Select(output => output.Name), _tensors);
            var read = graphNodes
                .SelectMany(node => node.Inputs)
                .Concat(outputs.Select(output => output.Name))
                .ToHashSet(StringComparer.Ordinal);
            var parameters = _tensors.Names
                .Where(read.Contains)
                .Select(name => new ParameterDefinition(
                    name,
                    _tensors[name].ElementType,
                    _tensors[name].Shape,
                    roles[name]))
                .OrderBy(parameter => parameter.Role == ParameterRole.Constant)
                .ToImmutableArray();
            var graph = new Graph(inputs, parameters, graphNodes, outputs);
            if (isHalf)
                graph = HalfPrecision.WithoutCasts(graph);
            var tensors = parameters.ToDictionary(
                parameter => parameter.Name,
                parameter => _tensors[parameter.Name].ToTorch(),
                StringComparer.Ordinal);
            using var network = new Network(graph, tensors)
            {
                Metadata = _metadata,
                MaxValueSize = _maxValueSize,
            };
            var folded = FoldConstants.Apply(network);
            RefuseHostileNumbers(folded);
            var finished = StandardForms.Replace(folded, FreeBatch.Apply);
            finished = StandardForms.Apply(
                finished, isHalf ? CollapseActivations.HalfTolerance : CollapseActivations.Tolerance);
            RefuseLargeInputs(finished);
            return finished;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            throw new InvalidDataException($"The model's graph is not well formed: {exception.Message}", exception);
        }
    }

    /// <summary>Refuses parameters on which libtorch or ONNX Runtime might end the process.</summary>
    private static void RefuseHostileNumbers(Network network)
    {
        try
        {
            IntegerDivisions.Check(network);
            foreach (var parameter in network.Graph.Parameters)
            {
                if (parameter.Role == ParameterRole.Weight && TensorShape.ElementCount(parameter.Shape) == 0)
                {
                    throw new InvalidDataException(
                        $"Weight '{parameter.Name}' is empty: its shape is {TensorShape.Describe(parameter.Shape)}.");
                }
            }
            CheckWeights(network.Graph);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private static void CheckWeights(Graph graph)
    {
        var shapes = graph.Parameters.ToDictionary(
            parameter => parameter.Name, parameter => parameter.Shape.ToArray(), StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            if (node.Operator is not LayerOperator layer
                || !shapes.TryGetValue(node.Inputs[LayerOperator.WeightInput], out var shape))
            {
                continue;
            }
            try
            {
                layer.CheckWeight(shape);
            }
            catch (InvalidDataException exception)
            {
                throw new InvalidDataException($"Node {node}: {exception.Message}", exception);
            }
        }
    }

    /// <summary>
    /// Refuses inputs of which the smallest is larger than a value may be: whoever uses the network allocates them.
    /// </summary>
    private static void RefuseLargeInputs(Network network)
    {
        foreach (var input in network.Graph.Inputs)
        {
            long[] smallest = [.. input.Shape.ToArray().Select(size => Math.Max(size, 1))];
            var bytes = (TensorShape.ElementCount(smallest) ?? long.MaxValue)
                * (decimal)input.ElementType.SizeInMemory();
            if (bytes <= network.MaxValueSize)
                continue;
            var shape = TensorShape.Describe(input.Shape);
            network.Dispose();
            throw new InvalidDataException(
                $"Input '{input.Name}' of shape {shape} takes {bytes} bytes, more than the {network.MaxValueSize} that "
                + $"{nameof(OnnxLoadOptions)}.{nameof(OnnxLoadOptions.MaxValueSize)} allows.");
        }
    }

    private static GraphNode MakeNode(OnnxNode node)
    {
        // An optional input at the end is left out by an empty name or by a shorter list.
        var inputs = node.Inputs.ToList();
        while (inputs.Count > 0 && inputs[^1].Length == 0)
            inputs.RemoveAt(inputs.Count - 1);
        try
        {
            var operation = Operator.Create(node.Type, node.Attributes);
            return new GraphNode(node.Name, operation, [.. inputs], [.. node.Outputs]);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"Node {node}: {exception.Message}", exception);
        }
    }
}

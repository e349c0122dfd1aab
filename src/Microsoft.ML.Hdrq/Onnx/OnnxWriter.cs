using System.Collections.Immutable;
using System.Globalization;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Writes a network as an ONNX model. Weights and statistics become initializers, constants become Constant nodes; the
/// reader tells them apart by this. The same network gives the same bytes.
/// </summary>
internal sealed class OnnxWriter
{
    private const int DefaultOldestOpset = 13;
    private const int ExternalDataThreshold = 1024;

    /// <summary>The capacity of a protobuf message, minus a generous reserve for the graph.</summary>
    private const long MaxDataInFile = int.MaxValue - (64 << 20);

    private readonly Network _network;
    private readonly OnnxSaveOptions _options;
    private readonly Stream? _externalData;
    private readonly Dictionary<string, ParameterDefinition> _definitions;
    private readonly UniqueNames _nodeNames = new([]);
    private readonly Dictionary<string, GraphNode> _storedWeights;
    private readonly Dictionary<string, (TensorData Integers, TensorData Step)> _integerBiases =
        new(StringComparer.Ordinal);
    private readonly Dictionary<string, GraphNode> _quantizers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _requantized = new(StringComparer.Ordinal);
    private readonly OnnxTensorPool _added;
    private readonly Dictionary<(ElementType, int, long?), string> _integers = [];
    private readonly Dictionary<(ElementType?, double), string> _numbers = [];
    private readonly ValueTypes _types;
    private readonly HashSet<GraphNode> _smallProducts;
    private readonly int _opset;

    private OnnxWriter(Network network, OnnxSaveOptions options, Stream? externalData)
    {
        _network = network;
        _options = options;
        _externalData = externalData;
        _definitions = network.Graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        _storedWeights = FindStoredWeights();
        _smallProducts = PairedProducts.FindSmall(network);
        _added = new OnnxTensorPool([
            .. network.Graph.Inputs.Select(input => input.Name),
            .. _definitions.Keys,
            .. network.Graph.Nodes.SelectMany(node => node.Outputs),
        ]);
        _types = new ValueTypes(network.Graph);
        _opset = ChooseOpset();
        FindIntegerBiases();
    }

    /// <summary>Writes a network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="model">The stream for the model.</param>
    /// <param name="options">The options.</param>
    /// <param name="externalData">The stream for large tensors; null to keep them in the model.</param>
    /// <exception cref="ArgumentOutOfRangeException">The opset is not supported.</exception>
    /// <exception cref="NotSupportedException">
    /// The opset cannot express the network; the message names the node.
    /// </exception>
    public static void Write(Network network, Stream model, OnnxSaveOptions options, Stream? externalData = null)
    {
        if (options.Opset is < OpsetForms.Oldest or > OpsetForms.Newest)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options),
                options.Opset,
                $"Opset must be from {OpsetForms.Oldest} to {OpsetForms.Newest}.");
        }
        using var narrow = options.HalfPrecision ? HalfPrecision.Narrow(network) : null;
        using var weightOnly = options.WeightOnlyProducts ? WeightOnlyProducts.Apply(network) : null;
        new OnnxWriter(narrow ?? weightOnly ?? network, options, externalData).Write().WriteTo(model);
    }

    /// <summary>Finds the weights that the file stores as integers: those that only a quantizer reads.</summary>
    private Dictionary<string, GraphNode> FindStoredWeights()
    {
        var outputs = _network.Graph.Outputs.Select(output => output.Name).ToHashSet(StringComparer.Ordinal);
        return _network.Graph.Layers.Quantizers
            .Where(quantizer => quantizer.IsWeight
                && _definitions[quantizer.Value] is { Role: ParameterRole.Weight, ElementType: ElementType.Float32 }
                && !outputs.Contains(quantizer.Value)
                && _network.Graph.Flow.Readers(quantizer.Value).Count() == 1)
            .ToDictionary(quantizer => quantizer.Value, quantizer => quantizer.Node, StringComparer.Ordinal);
    }

    /// <summary>
    /// Finds the biases that can be stored in steps of their layer's integers; other biases stay floats.
    /// </summary>
    private void FindIntegerBiases()
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        foreach (var bias in IntegerBias.Find(_network.Graph))
        {
            if (bias.Integers(_network.Parameters) is { } integers)
            {
                var stored = TensorData.FromTorch(integers);
                _integerBiases.Add(bias.Bias, (stored, TensorData.FromTorch(bias.Step(_network.Parameters))));
            }
        }
    }

    private int ChooseOpset()
    {
        var opset = _options.Opset ?? _network.Graph.Nodes.Select(SafeOpset).Append(DefaultOldestOpset).Max();
        foreach (var node in _network.Graph.Nodes)
        {
            if (MinimumOpset(node) is var minimum && minimum > opset)
                throw new NotSupportedException($"Opset {opset} cannot express node {node}; it needs opset {minimum}.");
            if (!OpsetTypes.Defines(opset, node, _types.Of))
            {
                var given = string.Join(", ", node.Inputs.Select(input => _types.Of(input)?.ToString() ?? "none"));
                throw new NotSupportedException($"Opset {opset} does not define node {node} on inputs of {given}.");
            }
        }
        return opset;

        int MinimumOpset(GraphNode node) => node.Operator is FakeQuantize quantizer
            ? Math.Max(QuantizerForms.MinimumOpset(quantizer), OpsetTypes.Oldest(node, _types.Of) ?? 1)
            : OpsetForms.MinimumOpset(node, _definitions.GetValueOrDefault, _types.Of);

        int SafeOpset(GraphNode node) => node.Operator is FakeQuantize quantizer
            ? quantizer.Range.Bits <= 4 && _storedWeights.ContainsKey(node.Inputs[0])
                ? QuantizerForms.FourBitsOpset
                : MinimumOpset(node)
            : OpsetForms.SafeOpset(node, _definitions.GetValueOrDefault, _types.Of);
    }

    private ModelProto Write()
    {
        var graph = new GraphProto { Name = "network" };
        graph.Input.AddRange(_network.Graph.Inputs.Select(value => WriteValue(value, isInput: true)));
        graph.Output.AddRange(_network.Graph.Outputs.Select(value => WriteValue(value, isInput: false)));
        var nodes = _network.Graph.Nodes.SelectMany(Forms).Select(WriteNode).ToList();
        // Constants that became attributes are no longer read.
        var read = nodes
            .SelectMany(node => node.Input)
            .Concat(_network.Graph.Outputs.Select(output => output.Name))
            .ToHashSet(StringComparer.Ordinal);
        foreach (var parameter in _network.Graph.Parameters.Where(parameter => read.Contains(parameter.Name)))
        {
            var tensor = OnnxTensors.Write(parameter.Name, Data(parameter));
            // ML.NET's runtime takes 4-bit integers from Constant nodes only.
            var isFourBits = tensor.DataType is (int)ElementType.Int4 or (int)ElementType.UInt4;
            if (parameter.Role != ParameterRole.Constant && (_options.FourBitInitializers || !isFourBits))
                graph.Initializer.Add(MoveOut(tensor));
            else
                graph.Node.Add(WriteConstant(parameter.Name, tensor));
        }
        graph.Node.AddRange(_added.Names.Select(name => WriteConstant(name, OnnxTensors.Write(name, _added[name]))));
        graph.Node.AddRange(nodes);
        var inside = graph.Initializer.Sum(tensor => (long)tensor.RawData.Length)
            + graph.Node.Sum(node => node.Attribute.Sum(attribute => attribute.T?.RawData.Length ?? 0L));
        if (inside > MaxDataInFile)
        {
            throw new NotSupportedException(
                $"The network's tensors have {inside} bytes, and an ONNX file holds less than 2 GB; "
                + "write them to an external file.");
        }
        var metadata = _network.Metadata
            .SetItems(_options.Metadata ?? ImmutableSortedDictionary<string, string>.Empty)
            .OrderBy(pair => pair.Key, StringComparer.Ordinal);
        return new ModelProto
        {
            IrVersion = IrVersion(_opset),
            ProducerName = "Microsoft.ML.Hdrq",
            ProducerVersion = typeof(OnnxWriter).Assembly.GetName().Version?.ToString(3) ?? "",
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = _opset } },
            Graph = graph,
            MetadataProps =
            {
                metadata.Select(pair => new StringStringEntryProto { Key = pair.Key, Value = pair.Value }),
            },
        };
    }

    /// <summary>
    /// The version of the file format that came with an opset
    /// (https://github.com/onnx/onnx/blob/main/docs/Versioning.md).
    /// </summary>
    private static long IrVersion(int opset) => opset switch
    {
        9 => 4,
        10 => 5,
        11 => 6,
        12 or 13 or 14 => 7,
        >= 15 and <= 18 => 8,
        19 or 20 => 9,
        21 or 22 => 10,
        23 => 11,
        _ => 12,
    };

    /// <summary>The ONNX nodes that express a node of the graph.</summary>
    private IEnumerable<OnnxNode> Forms(GraphNode node)
    {
        if (node.Operator is not FakeQuantize quantizer)
        {
            return LayerForms(node).SelectMany(form => ActivationForms.Expand(
                form, _opset, _added.FreshName, number => Number(number, _types.Of(node.Inputs[0]))));
        }
        var isStored = _storedWeights.ContainsKey(node.Inputs[0]);
        if (!isStored)
            _quantizers[node.Outputs[0]] = node;
        string[] inputs = [_requantized.GetValueOrDefault(node.Inputs[0], node.Inputs[0]), node.Inputs[1]];
        return QuantizerForms.Expand(
            new GraphNode(node.Name, node.Operator, [.. inputs], node.Outputs),
            quantizer,
            Storage(node, isStored),
            isStored,
            _added.FreshName,
            Integer,
            _network.Parameters[node.Inputs[1]].numel());
    }

    /// <summary>
    /// A node that is not a quantizer, after the node that dequantizes its bias, and before the nodes that show that
    /// moved values stay quantized.
    /// </summary>
    private IEnumerable<OnnxNode> LayerForms(GraphNode node)
    {
        var layer = new OnnxNode(
            node.Name,
            node.Operator.Type,
            node.Operator.Attributes,
            node.Inputs.Select(input => _requantized.GetValueOrDefault(input, input)),
            node.Outputs);
        if (layer.Input(2) is { Length: > 0 } name && _integerBiases.TryGetValue(name, out var bias))
        {
            var floats = BiasForms.Expand(
                name,
                _added.Add($"{name}.step", bias.Step),
                !bias.Step.Shape.IsEmpty,
                _added.FreshName($"{name}.numbers"));
            layer.SetInput(2, floats.Outputs[0]);
            yield return floats;
        }
        yield return layer;
        if (!DataFlow.MovesValues(node)
            || !_quantizers.TryGetValue(node.Inputs[0], out var source)
            || source.Operator is not FakeQuantize { Axis: null } quantizer
            || _network.Graph.Outputs.Any(output => output.Name == node.Outputs[0]))
        {
            yield break;
        }
        var (storage, requantized) = (
            IntegerStorage.OfActivation(quantizer),
            _added.FreshName($"{node.Outputs[0]}.again"));
        var forms = MovedValueForms.Expand(
            node.Outputs[0],
            source.Inputs[1],
            Integer(storage.Type, storage.ZeroPoint, null),
            _added.FreshName($"{node.Outputs[0]}.integers"),
            requantized);
        foreach (var form in forms)
            yield return form;
        _quantizers[node.Outputs[0]] = source;
        _requantized[node.Outputs[0]] = requantized;
    }

    /// <summary>
    /// The name of a constant that holds an integer: a scalar, or a list with the given count. Nodes share constants.
    /// </summary>
    private string Integer(ElementType type, int value, long? count)
    {
        if (!_integers.TryGetValue((type, value, count), out var name))
        {
            var bytes = new byte[count ?? 1];
            Array.Fill(bytes, (byte)value);
            name = _added.Add(
                $"{type}.{value.ToString(CultureInfo.InvariantCulture)}",
                new TensorData(type, count is { } length ? [length] : [], bytes));
            _integers.Add((type, value, count), name);
        }
        return name;
    }

    /// <summary>The name of a constant that holds a number. Nodes share constants.</summary>
    private string Number(double value, ElementType? type)
    {
        if (!_numbers.TryGetValue((type, value), out var name))
        {
            name = _added.Add($"number.{value.ToString("G6", CultureInfo.InvariantCulture)}", type switch
            {
                ElementType.Float16 => TensorData.Of<Half>([(Half)value]),
                ElementType.Float64 => TensorData.Of<double>([value]),
                _ => TensorData.Of<float>([(float)value]),
            });
            _numbers.Add((type, value), name);
        }
        return name;
    }

    private NodeProto WriteNode(OnnxNode form)
    {
        OpsetForms.Downgrade(
            form,
            _opset,
            name => _added.TryGet(name, out var added) ? added : Data(_definitions[name]));
        var proto = new NodeProto { Name = UniqueName(form.Name), OpType = form.Type };
        proto.Input.AddRange(form.Inputs);
        proto.Output.AddRange(form.Outputs);
        proto.Attribute.AddRange(OnnxAttributes.Write(form.Attributes));
        return proto;
    }

    /// <summary>
    /// A unique name for a node: nodes of a graph may share names, but ONNX Runtime refuses files in which they do.
    /// </summary>
    private string UniqueName(string name) => name.Length == 0 ? name : _nodeNames.Fresh(name);

    private NodeProto WriteConstant(string name, TensorProto tensor)
    {
        var value = new AttributeProto { Name = "value", Type = AttributeProto.Types.AttributeType.Tensor, T = tensor };
        return new NodeProto { Name = UniqueName(name), OpType = "Constant", Output = { name }, Attribute = { value } };
    }

    private TensorProto MoveOut(TensorProto tensor)
    {
        if (_externalData is null || tensor.RawData.Length < ExternalDataThreshold)
            return tensor;
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = _options.ExternalDataFile });
        tensor.ExternalData.Add(new StringStringEntryProto
        {
            Key = "offset",
            Value = _externalData.Position.ToString(CultureInfo.InvariantCulture),
        });
        tensor.ExternalData.Add(new StringStringEntryProto
        {
            Key = "length",
            Value = tensor.RawData.Length.ToString(CultureInfo.InvariantCulture),
        });
        tensor.RawData.WriteTo(_externalData);
        tensor.ClearRawData();
        return tensor;
    }

    private TensorData Data(ParameterDefinition parameter)
    {
        if (_integerBiases.TryGetValue(parameter.Name, out var bias))
            return bias.Integers;
        if (!_storedWeights.TryGetValue(parameter.Name, out var node))
            return TensorData.FromTorch(_network.Parameters[parameter.Name], parameter.ElementType);
        var quantizer = (FakeQuantize)node.Operator;
        return QuantizerForms.Integers(
            quantizer,
            _network.Parameters[parameter.Name],
            _network.Parameters[node.Inputs[1]],
            Storage(node, isStored: true));
    }

    private IntegerStorage Storage(GraphNode node, bool isStored)
    {
        var quantizer = (FakeQuantize)node.Operator;
        return isStored
            ? IntegerStorage.OfWeight(quantizer, _opset, _options.SignedWeights || _smallProducts.Contains(node))
            : IntegerStorage.OfActivation(quantizer);
    }

    private static ValueInfoProto WriteValue(GraphValue value, bool isInput)
    {
        var type = new TypeProto.Types.Tensor { ElemType = (int)value.ElementType };
        // An output whose shape is unknown is written without a shape.
        if (isInput || value.Shape.Length > 0)
            type.Shape = new TensorShapeProto();
        for (var d = 0; d < value.Shape.Length; d++)
        {
            var size = value.Shape[d];
            type.Shape.Dim.Add(size == TensorShape.Dynamic
                ? new TensorShapeProto.Types.Dimension
                {
                    DimParam = d == 0 ? "N" : $"{value.Name}_{d.ToString(CultureInfo.InvariantCulture)}",
                }
                : new TensorShapeProto.Types.Dimension { DimValue = size });
        }
        return new ValueInfoProto { Name = value.Name, Type = new TypeProto { TensorType = type } };
    }
}

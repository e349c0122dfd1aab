using System.Collections;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// A graph with its parameters, on one device. It owns the parameters' memory: dispose it. A network may compute on
/// several threads at once as long as nobody changes its parameters meanwhile. What computes, copies or saves it on
/// another thread while it is disposed ends in order, and its memory is freed after that; whatever comes later throws
/// <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class Network : IDisposable, INetworkContent
{
    private readonly torch.Tensor[] _parameters;
    private readonly ParameterDictionary _byName;
    private readonly UseCount _uses;
    private ImmutableSortedDictionary<string, string> _metadata = ImmutableSortedDictionary<string, string>.Empty;
    private long _maxValueSize = DefaultMaxValueSize;

    /// <summary>The default of <see cref="MaxValueSize"/>: 1 GiB.</summary>
    internal const long DefaultMaxValueSize = 1L << 30;

    /// <summary>
    /// Creates a network from a graph and tensors. The network takes over the tensors, also from their dispose scopes.
    /// </summary>
    /// <param name="graph">The topology.</param>
    /// <param name="parameters">A tensor for every parameter of the graph, of the parameter's shape and type.</param>
    /// <param name="device">The device that weights and statistics are moved to and that the network computes on; null
    /// for the CPU. Constants that are not floating point stay in host memory, because they control the
    /// computation.</param>
    /// <exception cref="ArgumentException">A parameter is missing or not in the graph, or has the wrong shape or
    /// type.</exception>
    /// <exception cref="TorchUnavailableException">libtorch cannot be loaded on this machine.</exception>
    public Network(Graph graph, IReadOnlyDictionary<string, torch.Tensor> parameters, torch.Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(parameters);
        TorchRuntime.EnsureLoaded();
        Graph = graph;
        Device = device ?? torch.CPU;
        foreach (var definition in graph.Parameters)
            Check(definition, parameters.GetValueOrDefault(definition.Name));
        if (parameters.Count != graph.Parameters.Length)
        {
            var superfluous = parameters.Keys.Except(graph.Parameters.Select(definition => definition.Name)).First();
            throw new ArgumentException($"The graph has no parameter '{superfluous}'.", nameof(parameters));
        }
        _parameters =
        [
            .. graph.Parameters.Select(definition => Place(parameters[definition.Name], definition, Device)),
        ];
        _byName = new ParameterDictionary(graph, _parameters);
        _uses = new UseCount(
            () => new ObjectDisposedException(GetType().FullName),
            () => Array.ForEach(_parameters, parameter => parameter.Dispose()));
    }

    /// <summary>The topology.</summary>
    public Graph Graph { get; }

    /// <summary>The device that the network computes on.</summary>
    public torch.Device Device { get; }

    /// <summary>The parameters by name. The tensors belong to the network: do not dispose them.</summary>
    public IReadOnlyDictionary<string, torch.Tensor> Parameters
    {
        get
        {
            _uses.Begin().Dispose();
            return _byName;
        }
    }

    /// <summary>
    /// Information about the network, by name; empty by default. It is written to ONNX files, read from them, and
    /// copied with the network. Quantizing and merging record what they did under the names in
    /// <see cref="NetworkMetadata"/>; a merged network also keeps the entries that all its networks share. It does not
    /// affect scores or the equality of graphs. Of the merge methods, only merging by regression reads it: the Gram
    /// matrices of layer inputs.
    /// </summary>
    /// <exception cref="ArgumentNullException">The value is null.</exception>
    /// <exception cref="ArgumentException">The value holds class names that are not a JSON array of names.</exception>
    public ImmutableSortedDictionary<string, string> Metadata
    {
        get => _metadata;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            ClassNames = ClassNameList.Read(value);
            _metadata = value;
        }
    }

    /// <summary>
    /// How many bytes one value of the graph may take for each row of a batch, at least 1; 1,073,741,824 (1 GiB) by
    /// default, that of 64 channels of 2,048 x 2,048 pixels. A node that would give more is refused before memory is
    /// taken for it: sizes stand in files, and a few bytes there can ask for any memory. Copies of the network keep it.
    /// When a file is read, <see cref="Onnx.OnnxLoadOptions.MaxValueSize"/> sets it.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public long MaxValueSize
    {
        get => _maxValueSize;
        set => _maxValueSize = value >= 1 ? value : throw OptionCheck.Error(
            nameof(MaxValueSize), value, $"{nameof(MaxValueSize)} is {value}; it must be at least 1.");
    }

    /// <summary>
    /// The names of the classes, in the order of the network's scores: they say which output is which class. Null, the
    /// default, if they are not known. <c>ApplyNetwork</c> gives them to its copy of the network; they are part of
    /// <see cref="Metadata"/>, so ONNX files hold them, and every step keeps them. Labels with names are matched to
    /// them by name.
    /// </summary>
    public IReadOnlyList<string>? ClassNames { get; private set; }

    /// <summary>Whether weights or activations go through quantizers.</summary>
    public bool IsQuantized => !Graph.Layers.Quantizers.IsEmpty;

    /// <summary>Names the classes.</summary>
    internal void NameClasses(IEnumerable<string> names) =>
        Metadata = Metadata.SetItem(NetworkMetadata.ClassNames, ClassNameList.Write(names));

    /// <summary>
    /// Computes a hash of the parameters' values: networks with the same hash have the same weights, biases and
    /// statistics. A network that is saved as ONNX and read again keeps its hash, because quantized weights count as
    /// their integers times their scales.
    /// </summary>
    /// <returns>SHA-256 as 64 hexadecimal digits.</returns>
    public string ParametersSha256()
    {
        using var use = Use();
        return ParameterHash.Of(this);
    }

    /// <summary>
    /// Computes the network's first output for a batch, for inference: without gradients, and only the result stays in
    /// memory.
    /// </summary>
    /// <param name="input">The batch, of the shape of the graph's only input, on any device.</param>
    /// <returns>The output, on the network's device, owned by the caller.</returns>
    /// <exception cref="ArgumentException">The batch does not have the input's shape or type.</exception>
    /// <exception cref="InvalidOperationException">A node cannot compute what the graph asks for, or would take more
    /// than <see cref="MaxValueSize"/>; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The network has been disposed.</exception>
    public torch.Tensor Forward(torch.Tensor input) => Forward(input, ForwardMode.Inference);

    /// <summary>Computes the network's first output for a batch.</summary>
    /// <param name="input">The batch, of the shape of the graph's only input, on any device.</param>
    /// <param name="mode">The purpose of the pass.</param>
    /// <param name="generator">The source of randomness of dropout in <see cref="ForwardMode.Training"/>; null for
    /// Torch's default generator.</param>
    /// <returns>The output, on the network's device, owned by the caller.</returns>
    /// <inheritdoc cref="Forward(torch.Tensor)" path="/exception"/>
    public torch.Tensor Forward(torch.Tensor input, ForwardMode mode, torch.Generator? generator = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (Graph.Inputs.Length != 1)
        {
            throw new InvalidOperationException($"The network has {Graph.Inputs.Length} inputs; "
                + "only networks with one input can be computed on a batch.");
        }
        var outputs = Run([input], mode, generator);
        for (var i = 1; i < outputs.Length; i++)
            outputs[i].Dispose();
        return outputs[0];
    }

    /// <summary>Computes all outputs.</summary>
    internal torch.Tensor[] Run(
        IReadOnlyList<torch.Tensor> inputs, ForwardMode mode, torch.Generator? generator = null) =>
        Run(inputs, new ComputeContext(mode, Device, generator));

    /// <summary>Computes all outputs in a context.</summary>
    internal torch.Tensor[] Run(IReadOnlyList<torch.Tensor> inputs, ComputeContext context)
    {
        using var use = Use();
        CheckInputs(inputs);
        context.Limit(MaxValueSize, inputs[0].dim() == 0 ? 1 : inputs[0].shape[0]);
        // Both are thread-local, so they are opened here and not where the network is made.
        using var noGradients = context.Mode == ForwardMode.Inference ? torch.no_grad() : null;
        using var scope = torch.NewDisposeScope();
        var values = new torch.Tensor?[Graph.Plan.SlotCount];
        for (var i = 0; i < inputs.Count; i++)
            values[i] = inputs[i].to(Device);
        Execute(values, context);
        // An output may be an input, a parameter, or the same value as another output: the caller gets a handle of its
        // own.
        return [.. Graph.Plan.GraphOutputs.Select(slot => values[slot]!.alias().MoveToOuterDisposeScope())];
    }

    /// <summary>Copies the network, with parameters of its own, on the same device.</summary>
    /// <returns>The copy, owned by the caller.</returns>
    public Network Clone() => To(Device);

    /// <summary>Copies the network, with parameters of its own, to a device.</summary>
    /// <param name="device">The device.</param>
    /// <returns>The copy, owned by the caller.</returns>
    public Network To(torch.Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return To(device, Graph);
    }

    /// <summary>Copies the network to a device, with another graph of the same parameters.</summary>
    internal Network To(torch.Device device, Graph graph)
    {
        using var use = Use();
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        return new Network(
            graph,
            graph.Parameters.ToDictionary(
                definition => definition.Name, definition => _byName[definition.Name].detach().clone()),
            device)
        { Metadata = Metadata, MaxValueSize = MaxValueSize };
    }

    /// <summary>
    /// Copies the network up to its features and puts a new classifier with random weights on them: global average
    /// pooling and a linear layer. Everything before keeps its weights. Where the pooling of one size was all that held
    /// the network to it, the copy takes images of any height and width.
    /// </summary>
    /// <param name="classNames">The names of the classes, in the order of the scores; at least two.</param>
    /// <param name="seed">The seed of the head's weights: the same seed gives the same head.</param>
    /// <param name="features">
    /// The name of the value that the head reads, [N, channels, height, width] or [N, channels]. Null, the default, for
    /// what the network's last layer reads; for a network that ends in pooling, in an activation or in a sum of
    /// branches, for what it gives. Pooling before is replaced.
    /// </param>
    /// <returns>The network, on the same device, owned by the caller. Its classes have their names.</returns>
    /// <exception cref="ArgumentException">
    /// There are fewer than two names, or a name is empty or given twice; the network is quantized, or has other inputs
    /// than one of type single; or there are no such features.
    /// </exception>
    /// <exception cref="InvalidOperationException">The network cannot compute; the message names the node.</exception>
    public Network WithClassifier(IReadOnlyList<string> classNames, long seed, string? features = null)
    {
        using var use = Use();
        return NewHead.Classifier(this, classNames, seed, features);
    }

    /// <summary>
    /// Copies the network up to its features and puts a new segmenter with random weights on them, which gives scores
    /// of every pixel: those of the last features, refined by those of finer ones down to an eighth of the image's
    /// size, and resized to the image. Everything before keeps its weights.
    /// </summary>
    /// <param name="classNames">The names of the classes, in the order of the scores; at least two.</param>
    /// <param name="seed">The seed of the head's weights: the same seed gives the same head.</param>
    /// <param name="features">
    /// The name of the only value that the head reads, [N, channels, height, width]. Null, the default, to find the
    /// features as <see cref="WithClassifier"/> does, and finer ones before them.
    /// </param>
    /// <inheritdoc cref="WithClassifier" path="/returns"/>
    /// <inheritdoc cref="WithClassifier" path="/exception"/>
    public Network WithSegmenter(IReadOnlyList<string> classNames, long seed, string? features = null)
    {
        using var use = Use();
        return NewHead.Segmenter(this, classNames, seed, features);
    }

    /// <summary>Frees the parameters; where another thread uses them, as soon as it has ended.</summary>
    public void Dispose() => _uses.Close();

    /// <summary>Keeps the parameters' memory until the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The network has been disposed.</exception>
    internal UseCount.Use Use() => _uses.Begin();

    /// <summary>Keeps the memory of several networks, where they are given, until the result is disposed.</summary>
    /// <inheritdoc cref="Use" path="/exception"/>
    internal static IDisposable UseAll(params IEnumerable<Network?> networks)
    {
        var uses = new Uses();
        try
        {
            foreach (var network in networks)
            {
                if (network is not null)
                    uses.Add(network.Use());
            }
            return uses;
        }
        catch
        {
            uses.Dispose();
            throw;
        }
    }

    private sealed class Uses : List<UseCount.Use>, IDisposable
    {
        public void Dispose() => ForEach(use => use.Dispose());
    }

    private static void Check(ParameterDefinition definition, torch.Tensor? tensor)
    {
        if (tensor is null)
            throw new ArgumentException($"Parameter '{definition.Name}' is missing.");
        if (!tensor.shape.AsSpan().SequenceEqual(definition.Shape))
        {
            throw new ArgumentException($"Parameter '{definition.Name}' has shape {TensorShape.Describe(tensor.shape)} "
                + $"instead of {TensorShape.Describe(definition.Shape)}.");
        }
        if (tensor.dtype != definition.ElementType.ToTorch())
        {
            throw new ArgumentException(
                $"Parameter '{definition.Name}' has type {tensor.dtype} instead of {definition.ElementType}.");
        }
    }

    private static torch.Tensor Place(torch.Tensor tensor, ParameterDefinition definition, torch.Device device)
    {
        var home = definition.Role == ParameterRole.Constant && !definition.ElementType.IsFloat() ? torch.CPU : device;
        if (tensor.device_type == home.type && (home.index < 0 || tensor.device_index == home.index))
            return tensor.DetachFromDisposeScope();
        var moved = tensor.to(home).DetachFromDisposeScope();
        tensor.Dispose();
        return moved;
    }

    private void CheckInputs(IReadOnlyList<torch.Tensor> inputs)
    {
        if (inputs.Count != Graph.Inputs.Length)
        {
            throw new ArgumentException(
                $"The network has {Graph.Inputs.Length} inputs, and {inputs.Count} "
                + $"{(inputs.Count == 1 ? "was" : "were")} given.",
                nameof(inputs));
        }
        for (var i = 0; i < inputs.Count; i++)
        {
            var expected = Graph.Inputs[i].Shape;
            var actual = inputs[i].shape;
            // An empty shape means that the shape is not known.
            var matches = expected.IsEmpty || expected.Length == actual.Length;
            for (var d = 0; matches && d < expected.Length; d++)
                matches = expected[d] == TensorShape.Dynamic || expected[d] == actual[d];
            if (!matches)
            {
                throw new ArgumentException(
                    $"Input '{Graph.Inputs[i].Name}' has shape {TensorShape.Describe(actual)} "
                    + $"instead of {TensorShape.Describe(expected)}.",
                    nameof(inputs));
            }
            if (inputs[i].dtype != Graph.Inputs[i].ElementType.ToTorch())
            {
                throw new ArgumentException(
                    $"Input '{Graph.Inputs[i].Name}' has type {inputs[i].dtype} "
                    + $"instead of {Graph.Inputs[i].ElementType}.",
                    nameof(inputs));
            }
        }
    }

    private void Execute(torch.Tensor?[] values, ComputeContext context)
    {
        var plan = Graph.Plan;
        _parameters.CopyTo(values, plan.FirstParameter);
        for (var n = 0; n < Graph.Nodes.Length; n++)
        {
            var node = Graph.Nodes[n];
            var outputs = Compute(
                node, Array.ConvertAll(plan.Inputs[n], slot => slot < 0 ? null : values[slot]), context);
            for (var i = 0; i < plan.Outputs[n].Length; i++)
            {
                if (plan.Outputs[n][i] < 0)
                    continue;
                values[plan.Outputs[n][i]] = outputs[i];
                context.Watch?.Invoke(node.Outputs[i], outputs[i]);
            }
            foreach (var slot in plan.Dying[n])
            {
                values[slot]?.Dispose();
                values[slot] = null;
            }
        }
    }

    /// <summary>Computes one node; the operator's intermediate tensors are freed here.</summary>
    internal static torch.Tensor[] Compute(GraphNode node, torch.Tensor?[] inputs, ComputeContext context)
    {
        try
        {
            using var scope = torch.NewDisposeScope();
            var outputs = node.Operator.Compute(inputs, context);
            if (outputs.Length < node.Outputs.Length)
            {
                throw new InvalidDataException(
                    $"it has {node.Outputs.Length} outputs, and the operator gives {outputs.Length} here.");
            }
            foreach (var output in outputs)
                output.MoveToOuterDisposeScope();
            return outputs;
        }
        catch (Exception exception)
            when (exception is ExternalException or ArgumentException or InvalidDataException
                or InvalidOperationException or NotSupportedException
                or IndexOutOfRangeException or ArithmeticException)
        {
            var shapes = string.Join(", ",
                inputs.Select(input => input is null ? "none" : TensorShape.Describe(input.shape)));
            // Torch appends a C++ stack to its messages.
            var cause = exception.Message.Split('\n')[0];
            throw new InvalidOperationException(
                $"Node {node} cannot compute on inputs of shape {shapes}: {cause}", exception);
        }
    }

    /// <summary>The parameters by name, always with their current values.</summary>
    private sealed class ParameterDictionary(Graph graph, torch.Tensor[] tensors)
        : IReadOnlyDictionary<string, torch.Tensor>
    {
        private readonly Dictionary<string, int> _indices = graph.Parameters
            .Select((definition, index) => (definition.Name, index))
            .ToDictionary(StringComparer.Ordinal);

        public int Count => tensors.Length;

        public IEnumerable<string> Keys => graph.Parameters.Select(definition => definition.Name);

        public IEnumerable<torch.Tensor> Values => tensors;

        public torch.Tensor this[string key] =>
            TryGetValue(key, out var tensor)
                ? tensor
                : throw new KeyNotFoundException($"The network has no parameter '{key}'.");

        public bool ContainsKey(string key) => _indices.ContainsKey(key);

        public bool TryGetValue(string key, [MaybeNullWhen(false)] out torch.Tensor value)
        {
            value = _indices.TryGetValue(key, out var index) ? tensors[index] : null;
            return value is not null;
        }

        public IEnumerator<KeyValuePair<string, torch.Tensor>> GetEnumerator() =>
            Keys.Select(name => KeyValuePair.Create(name, this[name])).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

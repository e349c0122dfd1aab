using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>Cuts a network at its features and puts a new head with random weights on them.</summary>
internal static class NewHead
{
    /// <summary>The stem of the names of the head's parameters.</summary>
    private const string Name = "head";

    /// <summary>
    /// The deviation of a classifier's weights: small, so that the first steps, which are those of random scores, leave
    /// the features as they are.
    /// </summary>
    private const double Deviation = 0.01;

    /// <summary>Height and width on which a network that takes any is tried.</summary>
    private const int AnySize = 224;

    /// <summary>By how much more height and width tell that a network takes images of any size.</summary>
    private const int LargerBy = 64;

    /// <summary>
    /// The ratio of the image's size to that of features beyond which finer ones join in a segmenter's head.
    /// </summary>
    private const int FineStride = 8;

    /// <summary>Puts global average pooling and a linear layer on the features.</summary>
    public static Network Classifier(
        Network network, IReadOnlyList<string> classNames, long seed, string? features) =>
        Create(network, classNames, seed, features, static (body, layers, input) =>
            body.Shapes[body.Features].Length switch
            {
                2 => layers.RowClassifier(
                    Name, body.Features, body.Channels(body.Features), body.Classes, Deviation),
                4 => layers.Classifier(Name, body.Features, body.Channels(body.Features), body.Classes, Deviation),
                _ => throw body.Error("a classifier needs features of images, [N, channels, height, width], or of "
                    + "rows, [N, channels]"),
            });

    /// <summary>
    /// Puts the head of a fully convolutional network on the features: scores of each position, which finer features
    /// further down the network refine, resized to the image (Long, Shelhamer and Darrell, CVPR 2015).
    /// </summary>
    public static Network Segmenter(
        Network network, IReadOnlyList<string> classNames, long seed, string? features) =>
        Create(network, classNames, seed, features, (body, layers, input) =>
        {
            if (body.Shapes[body.Features] is not [_, _, _, _] || network.Graph.Inputs[0].Shape.Length != 4)
                throw body.Error("a segmenter needs features of images, [N, channels, height, width]");
            var scores = Score(Name, body.Features);
            var level = 0;
            foreach (var finer in features is null ? body.FinerFeatures() : [])
            {
                level++;
                scores = layers.Add($"{Name}.sum{level}",
                    layers.ResizeLike($"{Name}.resized{level}", scores, finer),
                    Score($"{Name}.skip{level}", finer));
            }
            var shape = input.Shape;
            return layers.Segmenter(
                scores, input.Name, Size(shape[2]), Size(shape[3]), body.Classes);

            string Score(string name, string value) =>
                layers.Convolution(name, value, body.Channels(value), body.Classes, kernel: 1, hasBias: true);
        });

    private static int? Size(long size) => size == TensorShape.Dynamic ? null : (int)size;

    private static Network Create(
        Network network, IReadOnlyList<string> classNames, long seed, string? features,
        Func<Body, LayerBuilder, GraphValue, Network> build)
    {
        ArgumentNullException.ThrowIfNull(classNames);
        if (classNames.Count < 2 || !ClassNameList.AreValid(classNames))
        {
            throw new ArgumentException(
                $"A head needs the names of at least two classes, distinct and not empty; they are "
                + $"{string.Join(", ", classNames.Select(name => $"'{name}'"))}.",
                nameof(classNames));
        }
        if (network.IsQuantized)
        {
            throw new ArgumentException(
                "The network is quantized; a new head goes on a network in full precision.", nameof(network));
        }
        if (network.Graph.Inputs is not [{ ElementType: ElementType.Float32, Shape: [_, _, ..] } input])
        {
            throw new ArgumentException(
                $"The network's inputs are {string.Join(", ", network.Graph.Inputs)}; a new head needs one, of type "
                + $"{ElementType.Float32}, with the batch and at least one dimension more.",
                nameof(network));
        }
        using var scope = torch.NewDisposeScope();
        var body = new Body(network, classNames.Count, features);
        var result = Build(AnyHeightAndWidth(input));
        if (!TakesLargerImages(result, body.Shapes[input.Name]))
        {
            result.Dispose();
            result = Build(input);
        }
        // What this library noted about the network is about the one with the old head, but for the normalization.
        result.Metadata = network.Metadata
            .RemoveRange(network.Metadata.Keys.Where(NetworkMetadata.IsOfStep));
        result.MaxValueSize = network.MaxValueSize;
        result.NameClasses(classNames);
        if (network.Device.type == DeviceType.CPU)
            return result;
        using (result)
            return result.To(network.Device);

        Network Build(GraphValue declared)
        {
            using var layers = new LayerBuilder(seed, fanOut: false);
            layers.Take(network, declared, body.Nodes);
            return build(body, layers, declared);
        }
    }

    /// <summary>An input of images of any height and width; other inputs stay as they are.</summary>
    private static GraphValue AnyHeightAndWidth(GraphValue input) => input.Shape is [var batch, var channels, _, _]
        ? new GraphValue(input.Name, input.ElementType, [batch, channels, TensorShape.Dynamic, TensorShape.Dynamic])
        : input;

    /// <summary>
    /// Tries whether a network with images of any size takes them: what was exported for one size may say it anywhere.
    /// </summary>
    private static bool TakesLargerImages(Network network, long[] shape)
    {
        if (shape is not [_, _, var height, var width])
            return true;
        try
        {
            long[] larger = [shape[0], shape[1], height + LargerBy, width + LargerBy / 2];
            using var scores = network.Forward(torch.zeros(larger));
            return scores.shape[0] == shape[0] && (scores.dim() == 2 || scores.shape[2] == larger[2]);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>What is kept of a network.</summary>
    private sealed class Body
    {
        private readonly Graph _graph;

        public Body(Network network, int classes, string? features)
        {
            _graph = network.Graph;
            Classes = classes;
            Shapes = ShapesOf(network);
            if (features is not null && (!Shapes.ContainsKey(features) || !_graph.Flow.IsData(features)))
            {
                throw new ArgumentException(
                    $"The network has no value '{features}' that its head could read; its last ones are "
                    + $"{string.Join(", ", _graph.Nodes.Reverse().Take(5).Select(node => $"'{node.Outputs[0]}'"))}.",
                    nameof(features));
            }
            Features = features ?? BeforePooling(Find());
            Nodes = [.. NeededNodes.Backwards(_graph.Nodes, [Features]).Reverse()];
        }

        /// <summary>The number of classes of the new head.</summary>
        public int Classes { get; }

        /// <summary>The shapes of all values for one row.</summary>
        public Dictionary<string, long[]> Shapes { get; }

        /// <summary>The value that the new head reads.</summary>
        public string Features { get; }

        /// <summary>The nodes up to the features.</summary>
        public IReadOnlyList<GraphNode> Nodes { get; }

        public int Channels(string value) => checked((int)Shapes[value][1]);

        public ArgumentException Error(string needs) => new(
            $"The network's features '{Features}' have the shape {TensorShape.Describe(Shapes[Features])} for one "
            + $"row, and {needs}; name other features.");

        /// <summary>The last features of each finer size, the coarsest first, up to a fine one.</summary>
        public IEnumerable<string> FinerFeatures()
        {
            var height = Shapes[_graph.Inputs[0].Name][2];
            var size = Shapes[Features][2];
            foreach (var finer in Nodes.Reverse().Select(node => node.Outputs[0])
                .Where(value => _graph.Flow.IsData(value) && Shapes[value].Length == 4))
            {
                if (size * FineStride >= height)
                    yield break;
                if (Shapes[finer][2] <= size)
                    continue;
                size = Shapes[finer][2];
                yield return finer;
            }
        }

        /// <summary>
        /// What the last layer reads, if the network ends in it. A network that ends in pooling, an activation or a sum
        /// gives features; unless it gives probabilities, which come of scores of each position then.
        /// </summary>
        private string Find()
        {
            var value = _graph.Outputs[0].Name;
            var classifies = _graph.Outputs[0].Shape.Length == 4 && Positions(value) > 1
                && _graph.Flow.Definer(value)?.Operator is Resize;
            while (_graph.Flow.Definer(value) is { } node)
            {
                if (_graph.Layers.Of(node) is { } layer)
                    return layer.Input;
                var inputs = _graph.Flow.DataInputs(node).ToList();
                var traits = node.Operator.Traits;
                classifies |= traits.HasFlag(OperatorTraits.RatesClasses);
                var isPassed = classifies
                    || traits.HasFlag(OperatorTraits.KeepsElements)
                    || traits.HasFlag(OperatorTraits.Rearranges)
                    || traits.HasFlag(OperatorTraits.Adds)
                    || node.Operator is Cast;
                if (inputs.Count != 1 || !isPassed)
                    return value;
                value = inputs[0];
            }
            throw new ArgumentException("The network has no layer that gives features.");
        }

        /// <summary>The images of features whose mean a value is; the value itself if it is none.</summary>
        private string BeforePooling(string value)
        {
            var origin = value;
            while (_graph.Flow.Definer(origin) is { } node)
            {
                if (node.Operator.Traits.HasFlag(OperatorTraits.Averages))
                {
                    return Shapes[node.Inputs[0]].Length == 4 && Positions(node.Outputs[0]) == 1
                        ? node.Inputs[0]
                        : value;
                }
                if (!node.Operator.Traits.HasFlag(OperatorTraits.KeepsElements))
                    return value;
                origin = node.Inputs[0];
            }
            return value;
        }

        private long Positions(string value) =>
            Shapes[value].Skip(2).Aggregate(1L, (product, size) => product * size);

        private static Dictionary<string, long[]> ShapesOf(Network network)
        {
            var input = network.Graph.Inputs[0];
            var shape = input.Shape.ToArray();
            for (var d = 0; d < shape.Length; d++)
            {
                if (shape[d] != TensorShape.Dynamic)
                    continue;
                if (d == 1)
                {
                    throw new ArgumentException(
                        $"The network's input is {input}; a new head needs to know the number of its channels.");
                }
                shape[d] = d == 0 ? 1 : AnySize;
            }
            var shapes = new Dictionary<string, long[]>(StringComparer.Ordinal) { [input.Name] = shape };
            var context = new ComputeContext(ForwardMode.Inference, network.Device)
            {
                Watch = (name, value) => shapes[name] = value.shape,
            };
            _ = network.Run([torch.zeros(shape)], context);
            return shapes;
        }
    }
}

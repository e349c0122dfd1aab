using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>Puts networks together at random: what exporters write, in orders that nobody thought of.</summary>
internal sealed class RandomGraph
{
    public const int Channels = 4;
    public const int Size = 8;
    private const int Steps = 12;

    private readonly Random _random;
    private readonly NetworkBuilder _builder;
    private readonly List<(string Name, int Channels, int Size)> _values = [("x", Channels, Size)];
    private readonly Dictionary<(int Output, int Input), string> _weights = [];
    private int _count;

    private RandomGraph(NetworkBuilder builder, int seed) => (_builder, _random) = (builder, new Random(seed));

    /// <summary>Builds a classifier of [rows, 4, 8, 8].</summary>
    public static Network Build(int seed)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, Channels, Size, Size);
        new RandomGraph(builder, seed).Grow();
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 5]));
    }

    private void Grow()
    {
        Convolve();
        for (var step = 0; step < Steps; step++)
        {
            switch (_random.Next(8))
            {
                case 0: Join("Add"); break;
                case 1: Join("Concat"); break;
                case 2: Pool(); break;
                case 3: Split(); break;
                case 4: Shuffle(); break;
                case 5: Enlarge(); break;
                default: Convolve(); break;
            }
        }
        // The head reads what was computed last, and what was left behind.
        var heads = _values.TakeLast(2).Append(_values[_random.Next(1, _values.Count)]).Distinct().ToList();
        var pooled = heads.ConvertAll(value => Node("Flatten", [Node("GlobalAveragePool", [value.Name])]));
        var features = pooled.Count == 1 ? pooled[0] : Node("Concat", [.. pooled], ("axis", 1L));
        var weight = _builder.Parameter("head.weight", Weights(heads.Sum(head => head.Channels), 5));
        _builder.Node("Gemm", "y", [features, weight, _builder.Parameter("head.bias", Weights(5))]);
    }

    private (string Name, int Channels, int Size) Pick() =>
        _values[Math.Max(0, _values.Count - 1 - (int)(_random.NextDouble() * _random.NextDouble() * _values.Count))];

    private void Convolve()
    {
        var (name, channels, size) = Pick();
        var output = 2 * _random.Next(1, 4);
        var convolution = Node("Conv",
            [name, Weight(output, channels), _builder.Parameter(Fresh("bias"), Weights(output))],
            ("pads", new long[] { 1, 1, 1, 1 }));
        _values.Add((_random.Next(3) == 0 ? convolution : Node("Relu", [convolution]), output, size));
    }

    /// <summary>A weight of a layer's own, one that another layer has too, or one that is computed.</summary>
    private string Weight(int output, int input)
    {
        if (_random.Next(2) == 0 && _weights.TryGetValue((output, input), out var shared))
            return shared;
        var name = Fresh("weight");
        var weight = _random.Next(6) switch
        {
            0 => Node("Transpose", [_builder.Parameter(name, Weights(input, output, 3, 3))],
                ("perm", new long[] { 1, 0, 2, 3 })),
            1 => Node("Reshape", [_builder.Parameter(name, Weights(output, input * 9)),
                _builder.Constant($"{name}.shape", output, input, 3, 3)]),
            2 => Node("Slice", [_builder.Parameter(name, Weights(output + 2, input, 3, 3)),
                _builder.Constant($"{name}.start", 0), _builder.Constant($"{name}.end", output)]),
            3 => Node("Mul", [_builder.Parameter(name, Weights(output, input, 3, 3)),
                _builder.Parameter($"{name}.gain", Weights(output, 1, 1, 1).abs().add(1))]),
            _ => _builder.Parameter(name, Weights(output, input, 3, 3)),
        };
        return _weights[(output, input)] = weight;
    }

    private void Join(string type)
    {
        var (name, channels, size) = Pick();
        var others = _values.Where(value => value.Name != name && value.Size == size
            && (type == "Concat" || value.Channels == channels)).ToList();
        if (others.Count == 0 || channels > 12)
            return;
        var other = others[_random.Next(others.Count)];
        _values.Add(type == "Add"
            ? (Node("Add", [name, other.Name]), channels, size)
            : (Node("Concat", [name, other.Name], ("axis", 1L)), channels + other.Channels, size));
    }

    private void Pool()
    {
        var (name, channels, size) = Pick();
        if (size > 2)
            _values.Add((Node(_random.Next(2) == 0 ? "MaxPool" : "AveragePool", [name],
                ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 })), channels, size / 2));
    }

    private void Enlarge()
    {
        var (name, channels, size) = Pick();
        if (size < Size)
            _values.Add((Node("Resize",
                [name, "", _builder.Parameter(Fresh("scales"), torch.tensor([1f, 1, 2, 2]), ParameterRole.Constant)],
                ("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")),
                channels, 2 * size));
    }

    private void Split()
    {
        var (name, channels, size) = Pick();
        if (channels % 2 != 0)
            return;
        var (first, second) = (Fresh("half"), Fresh("half"));
        _builder.Node(new GraphNode(
            first, Operator.Create("Split", new OperatorAttributes(("axis", 1L), ("num_outputs", 2L))), [name],
            [first, second]));
        _values.Add((first, channels / 2, size));
        _values.Add((second, channels / 2, size));
    }

    /// <summary>A channel shuffle: within each image, or with the halves in dimension 0.</summary>
    private void Shuffle()
    {
        var (name, channels, size) = Pick();
        if (channels % 2 != 0)
            return;
        if (_random.Next(2) == 0)
        {
            var apart = Node("Reshape", [name, _builder.Constant(Fresh("shape"), 0, 2, channels / 2, size, size)]);
            var moved = Node("Transpose", [apart], ("perm", new long[] { 0, 2, 1, 3, 4 }));
            _values.Add((Node("Reshape", [moved, _builder.Constant(Fresh("shape"), 0, channels, size, size)]), channels,
                size));
            return;
        }
        var pairs = Node("Reshape", [name, _builder.Constant(Fresh("shape"), -1, 2, size * size)]);
        var halves = Node("Transpose", [pairs], ("perm", new long[] { 1, 0, 2 }));
        var images = Node("Reshape", [halves, _builder.Constant(Fresh("shape"), 2, -1, channels / 2, size, size)]);
        for (var half = 0; half < 2; half++)
            _values.Add((Node("Gather",
                [images, _builder.Parameter(Fresh("index"), torch.tensor((long)half), ParameterRole.Constant)],
                ("axis", 0L)), channels / 2, size));
    }

    private string Node(string type, string[] inputs, params (string, object)[] attributes) =>
        _builder.Node(type, Fresh(type), inputs, attributes);

    private string Fresh(string stem) => $"{stem}{_count++}";

    private torch.Tensor Weights(params long[] shape) => SmallNetworks.Random(_count++, shape).mul(0.3);
}

using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>Small networks with random weights.</summary>
internal static class TestNetworks
{
    public const int Channels = 3;
    public const int Size = 8;
    public const int PixelCount = Channels * Size * Size;
    public const int Classes = 5;

    /// <summary>Convolution with batch normalization, pooling, a linear layer: [N, 3, 8, 8] to [N, 5].</summary>
    /// <param name="batch">The batch size that the graph asks for; -1 for any.</param>
    /// <param name="input">The name of the graph's input.</param>
    /// <param name="output">The name of the graph's output.</param>
    public static Network Classifier(long batch = -1, string input = "input", string output = "scores")
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var random = new torch.Generator(7);
        builder.Input(input, batch, Channels, Size, Size);
        builder.Parameter("conv.weight", torch.randn([8, Channels, 3, 3], generator: random).mul(0.3));
        builder.Parameter("bn.weight", torch.rand([8], generator: random).add(0.5));
        builder.Parameter("bn.bias", torch.randn([8], generator: random));
        builder.Parameter("bn.mean", torch.randn([8], generator: random), ParameterRole.Statistic);
        builder.Parameter("bn.variance", torch.rand([8], generator: random).add(0.5), ParameterRole.Statistic);
        builder.Parameter("linear.weight", torch.randn([Classes, 8 * 16], generator: random).mul(0.2));
        builder.Parameter("linear.bias", torch.randn([Classes], generator: random));
        builder.Node("Conv", "conv", [input, "conv.weight"], ("kernel_shape", new long[] { 3, 3 }),
            ("pads", new long[] { 1, 1, 1, 1 }));
        builder.Node("BatchNormalization", "bn", ["conv", "bn.weight", "bn.bias", "bn.mean", "bn.variance"]);
        builder.Node("Relu", "relu", ["bn"]);
        builder.Node("MaxPool", "pool", ["relu"], ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }));
        builder.Node("Flatten", "flat", ["pool"]);
        builder.Node("Gemm", output, ["flat", "linear.weight", "linear.bias"], ("transB", 1L));
        return builder.Build(new GraphValue(output, ElementType.Float32, [batch, Classes]));
    }

    /// <summary>The input's values as scores: [N, values] to [N, values].</summary>
    public static Network Identity(int values, bool declareOutput = true)
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, values);
        builder.Node("Identity", "scores", ["input"]);
        return builder.Build(new GraphValue("scores", ElementType.Float32, declareOutput ? [-1, values] : []));
    }

    /// <summary>
    /// The input's values as scores: [N, ...] to the same. Scores that are not finite are computed of finite input, see
    /// <see cref="Encoded"/>.
    /// </summary>
    public static Network Decoding(params long[] shape)
    {
        using var builder = new NetworkBuilder();
        var value = builder.Input("input", [-1, .. shape]);
        foreach (var (name, score, code) in new[] { ("nan", float.NaN, 1e6f), ("infinity", float.NegativeInfinity, -1e6f) })
        {
            builder.Parameter($"{name}.score", torch.tensor(score), ParameterRole.Constant);
            builder.Parameter($"{name}.code", torch.tensor(code), ParameterRole.Constant);
            builder.Node("Equal", $"{name}.is", [value, $"{name}.code"]);
            value = builder.Node("Where", name, [$"{name}.is", $"{name}.score", value]);
        }
        builder.Node("Identity", "scores", [value]);
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, .. shape]));
    }

    /// <summary>The finite input of which <see cref="Decoding"/> makes scores.</summary>
    public static float[] Encoded(float[] scores) =>
        Array.ConvertAll(scores, score => float.IsNaN(score) ? 1e6f : float.IsNegativeInfinity(score) ? -1e6f : score);

    /// <summary>
    /// Two outputs: <c>boxes</c>, the input twice, and <c>scores</c>, the negative input: [N, 3] to [N, 6] and [N, 3].
    /// </summary>
    public static Network TwoOutputs()
    {
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, 3);
        builder.Node("Concat", "boxes", ["input", "input"], ("axis", 1L));
        builder.Node("Neg", "scores", ["input"]);
        return builder.Build(new GraphValue("boxes", ElementType.Float32, [-1, 6]),
            new GraphValue("scores", ElementType.Float32, [-1, 3]));
    }

    /// <summary>
    /// A network for images of any size, with a score for every class and pixel: [N, 3, H, W] to [N, 4, H, W].
    /// </summary>
    public static Network Segmenter()
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        builder.Input("input", -1, Channels, -1, -1);
        builder.Parameter("conv.weight", torch.randn([4, Channels, 1, 1], generator: new torch.Generator(3)));
        builder.Node("Conv", "scores", ["input", "conv.weight"], ("kernel_shape", new long[] { 1, 1 }));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 4, -1, -1]));
    }

    /// <summary>A network that no column can be the input of.</summary>
    public static Network WithTwoInputs()
    {
        using var builder = new NetworkBuilder();
        builder.Input("a", -1, 4);
        builder.Input("b", -1, 4);
        builder.Node("Add", "scores", ["a", "b"]);
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, 4]));
    }
}

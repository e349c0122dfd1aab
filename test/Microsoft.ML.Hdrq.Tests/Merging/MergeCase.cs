using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>Small networks and weights to merge.</summary>
internal static class MergeCase
{
    /// <summary>
    /// A quantized convolution, its input quantized too: parameters <c>weight</c>, <c>weight.scale</c>, <c>bias</c>,
    /// <c>input.scale</c> and the constant <c>shift</c>.
    /// </summary>
    public static Network Layer(
        torch.Tensor weight, torch.Tensor scale, float[]? bias = null, float inputScale = 0.1f, int bits = 4,
        float shift = 0.25f)
    {
        using var builder = new NetworkBuilder();
        var range = new QuantizationRange(bits, true);
        var input = builder.Node("Add", "shifted",
            [builder.Input("x", -1, weight.shape[1], 5, 5),
                builder.Parameter("shift", torch.tensor(shift), ParameterRole.Constant)]);
        var activations = FakeQuantize.AttributesFor(new QuantizationRange(8, true));
        builder.Node(new GraphNode("input.quantized", Operator.Create(FakeQuantize.Name, activations),
            [input, builder.Parameter("input.scale", torch.tensor(inputScale))], ["input.quantized"]));
        var quantizer = Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(range, scale.numel() > 1 ? 0 : null));
        builder.Node(new GraphNode("weight.quantized", quantizer,
            [builder.Parameter("weight", weight.clone()), builder.Parameter("weight.scale", scale.clone())],
            ["weight.quantized"]));
        builder.Node("Conv", "y", ["input.quantized", "weight.quantized",
            builder.Parameter("bias", torch.tensor(bias ?? new float[weight.shape[0]]))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, []));
    }

    /// <summary>
    /// As <see cref="Layer"/>, with weights and scales of a seed; networks of neighbouring seeds have weights in
    /// common, as networks adapted from one source have.
    /// </summary>
    public static Network Random(int seed, int bits = 4, bool perChannel = false)
    {
        using var scope = torch.NewDisposeScope();
        using var source = new torch.Generator(99);
        using var own = new torch.Generator((ulong)seed);
        var weight = torch.randn([8, 6, 3, 3], generator: source).mul(0.2)
            .add(torch.randn([8, 6, 3, 3], generator: own).mul(0.06));
        var scale = torch.rand([perChannel ? 8 : 1], generator: own).mul(0.01).add(0.1 * Math.Pow(2, 4 - bits));
        return Layer(weight, perChannel ? scale : scale.reshape([]),
            [.. Enumerable.Range(0, 8).Select(i => 0.1f * i + seed)], 0.05f * seed, bits);
    }

    /// <summary>One linear layer, of 3 outputs: parameters <c>weight</c> and <c>bias</c>.</summary>
    public static Network Linear(ulong seed, int inputs = 4)
    {
        using var generator = new torch.Generator(seed);
        using var builder = new NetworkBuilder();
        builder.Node("Gemm", "y",
            [
                builder.Input("x", -1, inputs),
                builder.Parameter("weight", torch.randn([3, inputs], generator: generator)),
                builder.Parameter("bias", torch.randn([3], generator: generator)),
            ],
            ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 3]));
    }

    /// <summary>
    /// The same network as a file would bring it back: with weights on the grid, of integers, which have no negative
    /// zero.
    /// </summary>
    public static Network OnGrid(Network network)
    {
        var copy = network.Clone();
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        foreach (var node in network.Graph.Nodes.Where(
            node => node.Operator is FakeQuantize && network.Parameters.ContainsKey(node.Inputs[0])))
            copy.Parameters[node.Inputs[0]]
                .copy_(node.Operator.Compute(
                [network.Parameters[node.Inputs[0]], network.Parameters[node.Inputs[1]]],
                new ComputeContext(ForwardMode.Inference, torch.CPU))[0].add(0f));
        return copy;
    }

    /// <summary>Integers of networks that descend from one source, drawn by a seed.</summary>
    public static MergedWeight Integers(
        int seed, double[] lambdas, int bits = 4, int channels = 16, int inputs = 16, int kernel = 9,
        double drift = 0.7)
    {
        var random = new Random(seed);
        var range = new QuantizationRange(bits, true);
        var count = channels * inputs * kernel;
        var source = Enumerable.Range(0, count)
            .Select(_ => (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * range.Maximum)
            .ToArray();
        var integers = lambdas.Select(
            _ => source.Select(value =>
                Math.Clamp((int)Math.Round(value + (2 * drift * (random.NextDouble() - 0.5))), range.Minimum,
                    range.Maximum)).ToArray()).ToArray();
        var scales = lambdas.Select(_ => new[] { 0.1 + (0.01 * random.NextDouble()) }).ToArray();
        return new MergedWeight(integers, scales, [lambdas.Zip(scales, (lambda, scale) => lambda * scale[0]).Sum()],
            lambdas, range, channels, kernel);
    }

    public static float[] Values(this Network network, string parameter)
    {
        using var scope = torch.NewDisposeScope();
        return network.Parameters[parameter].detach().contiguous().data<float>().ToArray();
    }

    /// <summary>Asserts that all parameters of two networks are equal, bit for bit.</summary>
    public static void AssertSame(Network expected, Network actual)
    {
        foreach (var name in expected.Parameters.Keys)
            Assert.AreEqual(TensorData.FromTorch(expected.Parameters[name]),
                TensorData.FromTorch(actual.Parameters[name]), name);
    }
}

using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>Task arithmetic, TIES and RegMean, in full precision and quantized.</summary>
[TestClass]
public sealed class MergeMethodTests
{
    [TestMethod]
    public void Task_arithmetic_by_hand()
    {
        using var source = Scaled(1, 2, -1);
        using var a = Scaled(2, 2, -1);
        using var b = Scaled(1, 4, -2);
        // Differences (1, 0, 0) and (0, 2, -1), weighted by 1/4 and 3/4, times 2.
        using var merged = NetworkMerger.Merge(
            [a, b], new() { NetworkWeights = [0.25, 0.75], Method = MergeMethod.TaskArithmetic(source, scale: 2) });
        CollectionAssert.AreEqual(new[] { 1.5f, 5f, -2.5f }, merged.Values("weight"));
        Assert.AreEqual("task arithmetic", merged.Metadata[NetworkMetadata.MergeMethod]);
        using var mean = NetworkMerger.Merge([a, b]);
        using var same = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.TaskArithmetic(source, scale: 1) });
        CollectionAssert.AreEqual(mean.Values("weight"), same.Values("weight"));
        Assert.AreEqual("mean", mean.Metadata[NetworkMetadata.MergeMethod]);
    }

    [TestMethod]
    public void Ties_by_hand()
    {
        using var source = Scaled(0, 0, 0, 0, 10);
        using var a = Scaled(4, -6, 1, 3, 10);
        using var b = Scaled(-2, -4, 5, 0.5f, 10);
        using var c = Scaled(3, 8, 6, 0.25f, 10);
        // Three of five count: a (4, -6, -, 3), b (-2, -4, 5, -), c (3, 8, 6, -). Sums 5, -2, 11, 3. Those that agree:
        // (4, 3), (-6, -4), (5, 6), (3).
        using var merged = NetworkMerger.Merge([a, b, c], new() { Method = MergeMethod.Ties(source, density: 0.6) });
        AssertClose([3.5f, -5, 5.5f, 3, 10], merged.Values("weight"), 1e-6f);
        // Weighted: sums 0.5 4 - 0.25 2 + 0.25 3 > 0, -3 - 1 + 2 < 0.
        using var weighted = NetworkMerger.Merge(
            [a, b, c], new()
            {
                NetworkWeights = [0.5, 0.25, 0.25],
                Method = MergeMethod.Ties(source, density: 0.6, scale: 0.5)
            });
        AssertClose([0.5f * (2 + 0.75f) / 0.75f, -0.5f * (3 + 1) / 0.75f, 2.75f, 1.5f, 10], weighted.Values("weight"),
            1e-6f);
        Assert.AreEqual("TIES", merged.Metadata[NetworkMetadata.MergeMethod]);
    }

    [TestMethod]
    public void Each_method_is_the_mean_where_networks_agree_with_the_source()
    {
        using var network = Convolutional(1);
        using var images = Images(1);
        InputGrams.Collect(network, images, 8, default);
        foreach (var method in new[] { MergeMethod.TaskArithmetic(network, 1.7), MergeMethod.Ties(network),
            MergeMethod.RegMean() })
        {
            using var merged = NetworkMerger.Merge([network, network, network], new() { Method = method });
            foreach (var name in network.Parameters.Keys)
                AssertClose(network.Values(name), merged.Values(name), 1e-4f);
        }
    }

    [TestMethod]
    public void RegMean_solves_the_normal_equations()
    {
        using var scope = torch.NewDisposeScope();
        Network[] networks = [Convolutional(1), Convolutional(2), Convolutional(3)];
        double[] weights = [0.5, 0.3, 0.2];
        foreach (var (d, network) in networks.Index())
            InputGrams.Collect(network, Images(10 + d), 32, default);
        using var merged = NetworkMerger.Merge(
            networks, new() { NetworkWeights = weights, Method = MergeMethod.RegMean(correlation: 1) });
        foreach (var (name, isTransposed) in new[] { ("conv.weight", false), ("linear.weight", false),
            ("product.weight", true) })
        {
            torch.Tensor Matrix(Network network) => isTransposed ? network.Parameters[name].t()
                : network.Parameters[name].reshape(network.Parameters[name].shape[0], -1);
            // The gradient of sum lambda E |W x + b - W_d x - b_d|^2 is 0, with b where there is one.
            var biasName = name == "product.weight" ? null : name.Replace("weight", "bias", StringComparison.Ordinal);
            if (biasName is not null && !networks[0].Parameters.ContainsKey(biasName))
                biasName = null;
            var (gradient, size) = (torch.zeros_like(Matrix(merged)), torch.zeros_like(Matrix(merged)));
            var (biasGradient, biasSize) = (torch.zeros([size.shape[0]]), torch.zeros([size.shape[0]]));
            foreach (var (d, network) in networks.Index())
            {
                var sent = InputGrams.Read(network.Metadata, name, Matrix(network).shape[1])!;
                var mean = sent.Mean.to(torch.ScalarType.Float32);
                var covariance = sent.Rest.diag().add(sent.Factor.mm(sent.Factor.t())).to(torch.ScalarType.Float32);
                // Each site's matrix is divided by its size.
                var share = (float)(weights[d] / covariance.square().sum().sqrt().item<float>());
                var change = Matrix(merged).sub(Matrix(network));
                var offset = change.mv(mean);
                if (biasName is not null)
                    offset = offset.add(merged.Parameters[biasName].sub(network.Parameters[biasName]));
                var part = change.mm(covariance).add(offset.outer(mean)).mul(share);
                (gradient, size) = (gradient.add(part), size.add(part.abs()));
                (biasGradient, biasSize) =
                    (biasGradient.add(offset.mul(share)), biasSize.add(offset.mul(share).abs()));
            }
            Assert.IsLessThan(3e-3 * size.max().item<float>(), gradient.abs().max().item<float>(), name);
            if (biasName is not null)
                Assert.IsLessThan(1e-4 * biasSize.max().item<float>() + 1e-6f, biasGradient.abs().max().item<float>(), name);
        }
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>
    /// Without moments, what each network has learned says what its inputs were: one that learned from the first input
    /// alone decides on that, and none of what was learned is halved as by the mean.
    /// </summary>
    [TestMethod]
    public void Each_network_decides_on_the_inputs_that_it_has_learned_from()
    {
        using var scope = torch.NewDisposeScope();
        using var source = MergeCase.Linear(1);
        var origin = source.Parameters["weight"].clone();
        var learned = torch.tensor(new[] { 1f, -2, 3 });
        Network[] networks = [source.Clone(), source.Clone()];
        for (var d = 0; d < networks.Length; d++)
            networks[d].Parameters["weight"].select(1, d).add_(learned.mul(d + 1));
        using var merged = NetworkMerger.Merge(networks, new() { Method = MergeMethod.AutomaticFrom(source) });
        Assert.AreEqual("RegMean of differences", merged.Metadata[NetworkMetadata.MergeMethod]);
        var expected = torch.stack([learned, learned.mul(2), torch.zeros(3), torch.zeros(3)], 1);
        Assert.IsLessThan(0.01, merged.Parameters["weight"].sub(origin).sub(expected).abs().max().item<float>());
        using var mean = NetworkMerger.Merge(networks);
        Assert.AreEqual("mean", mean.Metadata[NetworkMetadata.MergeMethod]);
        // What the networks carry says more.
        foreach (var network in networks)
            InputGrams.Collect(network, torch.randn(64, 4), 32, default);
        using var sent = NetworkMerger.Merge(networks, new() { Method = MergeMethod.AutomaticFrom(source) });
        Assert.AreEqual("RegMean", sent.Metadata[NetworkMetadata.MergeMethod]);
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>A network that has seen nothing, or has learned nothing, decides on nothing.</summary>
    [TestMethod]
    public void Inputs_that_are_always_0_do_not_count()
    {
        using var scope = torch.NewDisposeScope();
        using var source = MergeCase.Linear(1);
        using var still = source.Clone();
        using var other = MergeCase.Linear(2);
        // What it gives where all inputs are 0 does count.
        other.Parameters["bias"].copy_(source.Parameters["bias"]);
        using var differences = NetworkMerger.Merge([still, other], new() { Method = MergeMethod.AutomaticFrom(source) });
        InputGrams.Collect(still, torch.zeros(64, 4), 32, default);
        InputGrams.Collect(other, torch.randn(64, 4), 32, default);
        using var moments = NetworkMerger.Merge([still, other]);
        foreach (var merged in new[] { differences, moments })
            Assert.IsLessThan(0.01, merged.Parameters["weight"].sub(other.Parameters["weight"]).abs().max().item<float>());
    }

    [TestMethod]
    public void Quantized_networks_without_moments_are_merged_by_their_mean()
    {
        using var a = MergeCase.Random(1, 4, perChannel: true);
        using var b = MergeCase.Random(2, 4, perChannel: true);
        using var source = Unquantized(MergeCase.Random(5, 4, perChannel: true));
        using var merged = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.AutomaticFrom(source) });
        using var mean = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean() });
        MergeCase.AssertSame(mean, merged);
    }

    [TestMethod]
    [DataRow(4, false)]
    [DataRow(3, true)]
    public void Quantized_networks_are_merged_as_what_they_stand_for(int bits, bool perChannel)
    {
        using var scope = torch.NewDisposeScope();
        using var a = MergeCase.Random(1, bits, perChannel);
        using var b = MergeCase.Random(2, bits, perChannel);
        using var source = Unquantized(MergeCase.Random(5, bits, perChannel));
        using var onGridA = MergeCase.OnGrid(a);
        using var onGridB = MergeCase.OnGrid(b);
        // Neighbouring pixels are alike.
        using var generator = new torch.Generator(3);
        using var images = torch.randn([16, 6, 1, 1], generator: generator)
            .add(torch.randn([16, 6, 5, 5], generator: generator).mul(0.3));
        InputGrams.Collect(a, images, 8, default);
        InputGrams.Collect(b, images.mul(2), 8, default);
        var regMean = MergeMethod.RegMean(correlation: 1);
        foreach (var method in new[] { MergeMethod.TaskArithmetic(source, 1.2), MergeMethod.Ties(source, 0.4), regMean })
        {
            // The same in full precision, of the numbers on the grid.
            using var floatA = Unquantized(onGridA, a);
            using var floatB = Unquantized(onGridB, b);
            using var expected = NetworkMerger.Merge([floatA, floatB], new() { Method = method });
            using var merged = NetworkMerger.Merge([a, b], new() { Method = method });
            using var stored = NetworkMerger.Merge([Sent(onGridA, a), Sent(onGridB, b)], new() { Method = method });
            MergeCase.AssertSame(merged, stored);
            MergeCase.AssertSame(MergeCase.OnGrid(merged), merged);
            var (values, goal) = (merged.Values("weight"), expected.Values("weight"));
            if (method == regMean)
            {
                // Outputs are nearer to those of the unrounded layer than with each weight at the nearest of the same steps.
                var sent = new[] { a, b }.Select(network => InputGrams.Read(network.Metadata, "weight", 54)!).ToList();
                var gram = sent.Select(one => one.Rest.diag().add(one.Factor.mm(one.Factor.t())))
                    .Select(one => one.div(one.square().sum().sqrt()))
                    .Aggregate((first, second) => first.add(second).div(2));
                var steps = merged.Parameters["weight.scale"].reshape(-1, 1).to(torch.ScalarType.Float64);
                var wanted = expected.Parameters["weight"].reshape(8, 54).to(torch.ScalarType.Float64);
                var limit = 1 << (bits - 1);
                var rounded = wanted.div(steps).round().clamp(-limit, limit - 1).mul(steps);
                Assert.IsLessThan(0.8 * Difference(rounded),
                    Difference(merged.Parameters["weight"].reshape(8, 54).to(torch.ScalarType.Float64)));
                continue;

                double Difference(torch.Tensor weight) =>
                    weight.sub(wanted).mm(gram).mul(weight.sub(wanted)).sum().item<double>();
            }
            // No error is larger than half a step but where the least squared error asks for clipping, and no other
            // range of the same integers is better.
            var range = new QuantizationRange(bits, true);
            var scales = merged.Values("weight.scale");
            var size = values.Length / scales.Length;
            for (var part = 0; part < scales.Length; part++)
            {
                var wanted = goal.AsSpan(part * size, size).ToArray();
                var least = Error(wanted, scales[part]);
                Assert.AreEqual(least, values.AsSpan(part * size, size).ToArray()
                    .Zip(wanted, (value, want) => (double)(value - want) * (value - want)).Sum(), 1e-4 * least + 1e-9);
                for (var i = 1; i <= 100; i++)
                    Assert.IsGreaterThanOrEqualTo(
                        0.999 * least, Error(wanted,
                            wanted.Max(MathF.Abs) * i / 100 / ((range.Maximum - range.Minimum) / 2f)));
            }

            double Error(float[] wanted, float scale) =>
                wanted.Sum(value => Math.Pow(
                Math.Clamp(Math.Round((double)value / scale), range.Minimum, range.Maximum) * scale - value, 2));
        }
    }

    [TestMethod]
    public void The_scale_of_least_error_is_never_worse_than_the_mean_scale()
    {
        using var a = MergeCase.Random(1, 3, perChannel: true);
        using var b = MergeCase.Random(4, 3, perChannel: true);
        using var exactA = MergeCase.OnGrid(a);
        using var exactB = MergeCase.OnGrid(b);
        using var mean = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean(MergeRounding.Nearest) });
        using var searched = NetworkMerger.Merge(
            [a, b], new() { Method = MergeMethod.Mean(MergeRounding.Nearest, searchScales: true) });
        var goal = exactA.Values("weight").Zip(exactB.Values("weight"), (x, y) => (x + y) / 2).ToArray();
        Assert.IsLessThan(Error(mean), Error(searched));
        using var itself = NetworkMerger.Merge([a, a], new() { Method = MergeMethod.Mean(searchScales: true) });
        Assert.AreEqual(0, itself.Values("weight").Zip(exactA.Values("weight"), (x, y) => Math.Abs(x - y)).Max(), 1e-6);

        double Error(Network network) => network.Values("weight").Zip(goal, (x, y) => (double)(x - y) * (x - y)).Sum();
    }

    [TestMethod]
    public void The_source_may_have_its_normalizations_still()
    {
        using var source = ResNet.Cifar(8, 3, seed: 1, width: 2, inputSize: 8);
        using var other = ResNet.Cifar(8, 3, seed: 2, width: 2, inputSize: 8);
        using var a = FoldBatchNormalization.Apply(other);
        using var b = FoldBatchNormalization.Apply(source);
        using var merged = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.TaskArithmetic(source, 2) });
        // W0 + 2 (1/2 (W - W0) + 0) = W.
        foreach (var definition in a.Graph.Parameters.Where(
            parameter => parameter.ElementType.IsFloat() && parameter.Role == ParameterRole.Weight))
            AssertClose(a.Values(definition.Name), merged.Values(definition.Name), 1e-5f);
    }

    [TestMethod]
    public void What_does_not_suit_is_refused_by_name()
    {
        using var a = Convolutional(1);
        using var b = Convolutional(2);
        using var other = Scaled(1, 2);
        using var images = Images(1);
        foreach (var method in new[] { MergeMethod.TaskArithmetic(other), MergeMethod.Ties(other) })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge([a, b], new() { Method = method })).Message,
                "has no parameter 'conv.weight' of shape [4, 3, 3, 3]");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => NetworkMerger.Merge([a, b], new() { Method = MergeMethod.RegMean() })).Message, "moments");
        InputGrams.Collect(a, images, 8, default);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => NetworkMerger.Merge([a, b], new() { Method = MergeMethod.RegMean() })).Message, "carries none");
        InputGrams.Collect(b, images, 8, default);
        foreach (var hostile in new[] { "", "AAAA", "no base64", b.Metadata[InputGrams.Prefix + "conv.weight"][..^8] })
        {
            b.Metadata = b.Metadata.SetItem(InputGrams.Prefix + "linear.weight", hostile);
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge([a, b], new() { Method = MergeMethod.RegMean() })).Message,
                "'linear.weight'");
        }
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeMethod.TaskArithmetic(a, 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeMethod.Ties(a, 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeMethod.Ties(a, 0.5, double.NaN));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeMethod.RegMean(1.1));
        Assert.ThrowsExactly<ArgumentNullException>(() => MergeMethod.TaskArithmetic(null!));
    }

    [TestMethod]
    public void Gram_matrices_travel_in_files_and_no_merged_network_has_them()
    {
        using var directory = new TemporaryDirectory();
        using var a = Convolutional(1);
        using var b = Convolutional(2);
        using var images = Images(1);
        InputGrams.Collect(a, images, 8, default);
        InputGrams.Collect(b, images, 8, default);
        Assert.AreEqual(3, a.Metadata.Keys.Count(key => key.StartsWith(InputGrams.Prefix, StringComparison.Ordinal)));
        a.SaveOnnx(directory.Combine("a.onnx"));
        b.SaveOnnx(directory.Combine("b.onnx"));
        using var sentA = Network.LoadOnnx(directory.Combine("a.onnx"));
        using var sentB = Network.LoadOnnx(directory.Combine("b.onnx"));
        using var here = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.RegMean() });
        using var sent = NetworkMerger.Merge([sentB, sentA], new() { Method = MergeMethod.RegMean() });
        MergeCase.AssertSame(here, sent);
        Assert.IsFalse(InputGrams.AreIn(here.Metadata));
        using var itself = NetworkMerger.Merge([a, a]);
        Assert.IsFalse(InputGrams.AreIn(itself.Metadata));
        Assert.AreEqual("RegMean", itself.Metadata[NetworkMetadata.MergeMethod]);
        // Who chooses how means are rounded wants means.
        using var drawn = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean(MergeRounding.BestOf(3)) });
        Assert.AreEqual("mean", drawn.Metadata[NetworkMetadata.MergeMethod]);
    }

    [TestMethod]
    public void Layers_that_share_a_weight_have_one_matrix()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        using var builder = new NetworkBuilder();
        var weight = builder.Parameter("weight", torch.randn([4, 4], generator: generator));
        builder.Node("MatMul", "y",
            [builder.Node("Relu", "relu", [builder.Node("MatMul", "first", [builder.Input("x", -1, 4), weight])]),
                weight]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, [-1, 4]));
        InputGrams.Collect(network, torch.randn([30, 4], generator: generator), 8, default);
        using var merged = NetworkMerger.Merge([network, network]);
        Assert.AreEqual("RegMean", merged.Metadata[NetworkMetadata.MergeMethod]);
        AssertClose(network.Values("weight"), merged.Values("weight"), 1e-5f);
    }

    [TestMethod]
    [DataRow(1, 1, 1, "1,1,1,1")]
    [DataRow(3, 2, 1, "0,1,2,1")]
    [DataRow(2, 1, 2, "0,0,0,0")]
    public void Windows_times_weights_are_the_convolution(int kernel, int stride, int dilation, string pads)
    {
        using var scope = torch.NewDisposeScope();
        var convolution = (Convolution)Operator.Create("Conv", new OperatorAttributes(
            ("strides", new long[] { stride, stride }), ("dilations", new long[] { dilation, dilation }),
            ("pads", pads.Split(',').Select(long.Parse).ToArray())));
        using var generator = new torch.Generator(1);
        var (data, weight) = (torch.randn([2, 3, 7, 6], generator: generator),
            torch.randn([4, 3, kernel, kernel], generator: generator));
        var context = new ComputeContext(ForwardMode.Inference, torch.CPU);
        var expected = convolution.Compute([data, weight], context)[0];
        var actual = convolution.Windows(data, weight.shape, context).mm(weight.reshape(4, -1).t());
        Assert.IsTrue(expected.permute(0, 2, 3, 1).reshape(-1, 4).allclose(actual, 1e-4, 1e-5));
        Assert.AreEqual((expected.shape[2], expected.shape[3]), convolution.OutputSize(data, weight.shape));
        // Every second position, from row 1 and column 0 on.
        var (rows, columns) = (torch.arange(1, expected.shape[2], 2), torch.arange(0, expected.shape[3], 2));
        var some = convolution.Windows(data, weight.shape, context, every: 2, row: 1, column: 0)
            .mm(weight.reshape(4, -1).t());
        Assert.IsTrue(expected.index_select(2, rows).index_select(3, columns).permute(0, 2, 3, 1).reshape(-1, 4)
            .allclose(some, 1e-4, 1e-5));
    }

    [TestMethod]
    public void No_tensor_is_left_over()
    {
        using var a = Convolutional(1);
        using var b = Convolutional(2);
        using var images = Images(1);
        LiveTensors.AssertUnchanged(() =>
        {
            InputGrams.Collect(a, images, 8, default);
            InputGrams.Collect(b, images, 8, default);
        });
        foreach (var method in new[] { MergeMethod.TaskArithmetic(a), MergeMethod.Ties(a), MergeMethod.RegMean() })
            LiveTensors.AssertUnchanged(() => NetworkMerger.Merge([a, b], new() { Method = method }).Dispose());
        using var other = Scaled(1);
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<ArgumentException>(
                () => NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Ties(other) })));
    }

    private static torch.Tensor Images(int seed)
    {
        using var generator = new torch.Generator((ulong)seed);
        // More than the linear layer has inputs.
        return torch.randn([240, 3, 6, 6], generator: generator);
    }

    /// <summary>A convolution, a linear layer and a product with a matrix.</summary>
    private static Network Convolutional(int seed)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator((ulong)seed);
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 3, 6, 6);
        builder.Node("Conv", "conv",
            ["x", builder.Parameter("conv.weight", torch.randn([4, 3, 3, 3], generator: generator).mul(0.3))],
            ("pads", new long[] { 1, 1, 1, 1 }));
        builder.Node("Relu", "relu", ["conv"]);
        builder.Node("Flatten", "flat", ["relu"]);
        builder.Node("Gemm", "linear",
            ["flat", builder.Parameter("linear.weight", torch.randn([5, 144], generator: generator)),
                builder.Parameter("linear.bias", torch.randn([5], generator: generator))], ("transB", 1L));
        builder.Node("MatMul", "y",
            ["linear", builder.Parameter("product.weight", torch.randn([5, 2], generator: generator))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }

    private static Network Scaled(params float[] weight)
    {
        using var builder = new NetworkBuilder();
        builder.Node("Mul", "y", [builder.Input("x", -1, weight.Length), builder.Parameter("weight", torch.tensor(weight))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, []));
    }

    /// <summary>
    /// The layer of <see cref="MergeCase.Layer"/> without its quantizers; with another network's Gram matrices.
    /// </summary>
    private static Network Unquantized(Network network, Network? like = null)
    {
        using var builder = new NetworkBuilder();
        var input = builder.Node("Add", "shifted",
            [builder.Input("x", -1, 6, 5, 5),
                builder.Parameter("shift", network.Parameters["shift"].clone(), ParameterRole.Constant)]);
        builder.Node("Conv", "y", [input, builder.Parameter("weight", network.Parameters["weight"].clone()),
            builder.Parameter("bias", network.Parameters["bias"].clone())]);
        var result = builder.Build(new GraphValue("y", ElementType.Float32, []));
        if (like is not null)
            result.Metadata = like.Metadata;
        return result;
    }

    private static Network Sent(Network network, Network like)
    {
        network.Metadata = like.Metadata;
        return network;
    }

    private static void AssertClose(float[] expected, float[] actual, float tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        for (var i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance * Math.Max(1, Math.Abs(expected[i])), $"element {i}");
    }
}

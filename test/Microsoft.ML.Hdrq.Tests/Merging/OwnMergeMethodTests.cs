using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.PublicApi.Tests;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

/// <summary>What holds of all methods, and methods that users write.</summary>
[TestClass]
public sealed class OwnMergeMethodTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void One_networks_numbers_give_its_scores(int least)
    {
        using var scope = torch.NewDisposeScope();
        Network[] networks = [.. Enumerable.Range(0, 3).Select(n => Layers(n, size: n == least ? 0.5 : 1))];
        using var merged = NetworkMerger.Merge(
            networks, new() { NetworkWeights = [0.5, 0.3, 0.2], Method = new LeastNormMergeMethod() });
        using var generator = new torch.Generator(5);
        var images = torch.randn([4, 3, 6, 6], generator: generator);
        Assert.AreEqual(TensorData.FromTorch(networks[least].Forward(images)), TensorData.FromTorch(merged.Forward(images)));
        Assert.AreEqual("least norm", merged.Metadata[NetworkMetadata.MergeMethod]);
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    public void A_method_sees_shares_metadata_and_the_parameters_that_it_merges()
    {
        using var a = MergeCase.Random(1);
        using var b = MergeCase.Random(2);
        a.Metadata = a.Metadata.SetItem("site", "a");
        b.Metadata = b.Metadata.SetItem("site", "b");
        IReadOnlyList<MergeInput> seen = [];
        var asked = new List<string>();
        using var merged = NetworkMerger.Merge([a, b], new()
        {
            NetworkWeights = [0.25, 0.75],
            Method = new Own(networks =>
            {
                seen = networks;
                return parameter =>
                {
                    asked.Add(parameter.Name);
                    return null;
                };
            }),
        });
        CollectionAssert.AreEquivalent(
            new[] { ("network 0", 0.25, "a"), ("network 1", 0.75, "b") },
            seen.Select(network => (network.Name, network.Share, network.Metadata["site"])).ToArray());
        foreach (var network in seen)
            CollectionAssert.AreEqual(new[] { "weight", "bias" },
                network.Parameters.Select(parameter => parameter.Name).ToArray());
        CollectionAssert.AreEquivalent(new[] { "weight", "bias" }, asked);
        var shift = a.Graph.Parameters.Single(parameter => parameter.Name == "shift");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => seen[0].Values(shift)).Message, "'shift'");
        // What a method leaves is the mean.
        using var mean = NetworkMerger.Merge([a, b], new() { NetworkWeights = [0.25, 0.75], Method = MergeMethod.Mean() });
        MergeCase.AssertSame(mean, merged);
    }

    [TestMethod]
    public void Quantized_weights_are_what_they_stand_for_in_their_own_order()
    {
        using var scope = torch.NewDisposeScope();
        // Steps 0.5, 0.25 and 1 of the columns, integers from -8 to 7.
        using var network = Product(new float[,] { { 0.6f, 0.3f, 3.4f }, { -9f, 1.1f, -0.4f } }, [0.5f, 0.25f, 1f], axis: 1);
        double[] expected = [0.5, 0.25, 3, -4, 1, 0];
        double[] seen = [];
        using var merged = NetworkMerger.Merge([network, network], new()
        {
            Method = new Own(networks => parameter =>
            {
                seen = [.. networks[0].Values(parameter)];
                return seen;
            }),
        });
        CollectionAssert.AreEqual(expected, seen);
        CollectionAssert.AreEqual(expected, merged.Values("weight").Select(value => (double)value).ToArray());
    }

    [TestMethod]
    public void Transposed_convolutions_have_their_outputs_second()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(4);
        var integers = torch.randint(-8, 8, [3, 5, 2, 2], generator: generator).to(torch.ScalarType.Float32);
        var steps = torch.tensor([0.5f, 0.25f, 1f, 2f, 0.125f]);
        using var builder = new NetworkBuilder();
        builder.Node(new GraphNode("quantized",
            Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(4, true), 1)),
            [builder.Parameter("weight", integers.mul(steps.reshape(1, 5, 1, 1)).contiguous()),
                builder.Parameter("scale", steps.clone())], ["quantized"]));
        builder.Node("ConvTranspose", "y", [builder.Input("x", -1, 3, 4, 4), "quantized"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
        // Powers of two: the products are exact, and so is what the method is shown.
        using var merged = NetworkMerger.Merge([network, network], new()
        {
            Method = new Own(networks => parameter =>
            {
                CollectionAssert.AreEqual(network.Values("weight").Select(value => (double)value).ToArray(),
                    networks[0].Values(parameter).ToArray());
                return networks[0].Values(parameter);
            }),
        });
        MergeCase.AssertSame(network, merged);
    }

    [TestMethod]
    [DataRow(3, 0.5, "gives 3 values for parameter 'weight', which has 4")]
    [DataRow(5, 0.5, "gives 5 values for parameter 'weight', which has 4")]
    [DataRow(4, double.NaN, "gives parameter 'weight' a value that is not finite")]
    [DataRow(4, double.NegativeInfinity, "gives parameter 'weight' a value that is not finite")]
    [DataRow(4, 1e39, "too large for Float32")]
    public void Wrong_numbers_are_refused(int count, double value, string message)
    {
        using var unquantized = Product(new float[,] { { 1, 2 }, { 3, 4 } });
        using var quantized = Product(new float[,] { { 1, 2 }, { 3, 4 } }, [0.5f, 0.5f], axis: 1);
        var method = new Own(_ => _ => [.. Enumerable.Repeat(value, count)]);
        foreach (var network in new[] { unquantized, quantized })
        {
            LiveTensors.AssertUnchanged(() =>
            {
                var exception = Assert.ThrowsExactly<ArgumentException>(
                    () => NetworkMerger.Merge([network, network], new() { Method = method }));
                StringAssert.Contains(exception.Message, "Merge method 'own' ");
                StringAssert.Contains(exception.Message, message);
            });
        }
    }

    [TestMethod]
    [DataRow("")]
    [DataRow(null)]
    public void A_method_without_a_name_is_refused_before_it_works(string? name)
    {
        using var network = MergeCase.Random(1);
        var method = new Own(_ => throw new InvalidOperationException("It was asked."), name!);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => NetworkMerger.Merge([network, network], new() { Method = method })).Message, "Own has no name");
    }

    [TestMethod]
    public void What_a_method_throws_ends_the_merge_and_leaves_nothing()
    {
        using var network = Product(new float[,] { { 1, 2 }, { 3, 4 } });
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<InvalidDataException>(
                () => NetworkMerger.Merge([network, network],
                    new() { Method = new Own(_ => throw new InvalidDataException()) })));
        LiveTensors.AssertUnchanged(
            () => Assert.ThrowsExactly<InvalidDataException>(
                () => NetworkMerger.Merge([network, network],
                    new() { Method = new Own(_ => _ => throw new InvalidDataException()) })));
        LiveTensors.AssertUnchanged(
            () => NetworkMerger.Merge([network, network],
                new() { Method = new Own(_ => _ => [.. torch.ones(4, torch.ScalarType.Float64).data<double>()]) })
            .Dispose());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => NetworkMerger.Merge([network, network], new() { Method = new Own(_ => null!) })).Message,
            "'own' has no rule");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Automatic_is_RegMean_or_the_mean(bool quantized)
    {
        using var a = quantized ? MergeCase.Random(1) : Layers(1);
        using var b = quantized ? MergeCase.Random(2) : Layers(2);
        AssertSame(MergeMethod.Automatic, MergeMethod.Mean(), "mean");
        using var images = torch.randn([16, .. a.Graph.Inputs[0].Shape.ToArray()[1..]], generator: new torch.Generator(3));
        InputGrams.Collect(a, images, 8, default);
        AssertSame(MergeMethod.Automatic, MergeMethod.Mean(), "mean");
        InputGrams.Collect(b, images, 8, default);
        AssertSame(MergeMethod.Automatic, MergeMethod.RegMean(), "RegMean");
        AssertSame(new MergeOptions().Method, MergeMethod.RegMean(), "RegMean");

        void AssertSame(MergeMethod method, MergeMethod expected, string name)
        {
            using var one = NetworkMerger.Merge([a, b], new() { Method = method });
            using var other = NetworkMerger.Merge([a, b], new() { Method = expected });
            MergeCase.AssertSame(other, one);
            Assert.AreEqual(name, one.Metadata[NetworkMetadata.MergeMethod]);
        }
    }

    [TestMethod]
    public void A_methods_rule_can_be_used_by_another_one()
    {
        using var a = Layers(1);
        using var b = Layers(2);
        using var images = torch.randn([16, 3, 6, 6], generator: new torch.Generator(3));
        InputGrams.Collect(a, images, 8, default);
        InputGrams.Collect(b, images, 8, default);
        foreach (var method in new[] { MergeMethod.Automatic, MergeMethod.RegMean(), MergeMethod.TaskArithmetic(a),
            MergeMethod.Ties(a) })
        {
            using var expected = NetworkMerger.Merge([a, b], new() { Method = method });
            using var merged = NetworkMerger.Merge(
                [a, b], new() { Method = new Own(networks => method.Prepare(a.Graph, networks)) });
            MergeCase.AssertSame(expected, merged);
        }
    }

    [TestMethod]
    public void How_means_are_rounded_is_the_means_alone()
    {
        // Where only one layer has a Gram matrix, RegMean leaves the other to the mean of default rounding.
        using var a = Pair(1);
        using var b = Pair(2);
        using var regMean = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.RegMean() });
        using var mean = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean() });
        using var nearest = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean(MergeRounding.Nearest) });
        using var searched = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean(searchScales: true) });
        CollectionAssert.AreEqual(mean.Values("second"), regMean.Values("second"));
        CollectionAssert.AreNotEqual(mean.Values("first"), regMean.Values("first"));
        CollectionAssert.AreNotEqual(nearest.Values("second"), regMean.Values("second"));
        CollectionAssert.AreNotEqual(searched.Values("second"), regMean.Values("second"));
        // Gram matrices change nothing of means.
        a.Metadata = a.Metadata.Clear();
        using var without = NetworkMerger.Merge([a, b], new() { Method = MergeMethod.Mean(MergeRounding.Nearest) });
        MergeCase.AssertSame(nearest, without);
    }

    [TestMethod]
    public void Scales_along_the_inputs_are_rounded_to_nearest_by_RegMean()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        // Three inputs, two outputs, and a scale for each input.
        using var network = Product(new float[,] { { 1, 2 }, { -3, 4 }, { 0.5f, 3 } }, [0.5f, 1f, 0.5f], axis: 0);
        InputGrams.Collect(network, torch.randn([32, 3], generator: generator), 8, default);
        using var merged = NetworkMerger.Merge([network, network], new() { Method = MergeMethod.RegMean() });
        CollectionAssert.AreEqual(new[] { 1, 2, -3, 4, 0.5f, 3 }, merged.Values("weight"));
    }

    [TestMethod]
    public void Options_do_not_change_with_what_they_were_made_of()
    {
        var weights = new[] { 0.25, 0.75 };
        var options = new MergeOptions { NetworkWeights = weights };
        weights[0] = 7;
        CollectionAssert.AreEqual(new[] { 0.25, 0.75 }, options.NetworkWeights!.ToArray());
        Assert.ThrowsExactly<ArgumentNullException>(() => new MergeOptions { Method = null! });
    }

    /// <summary>A convolution and a linear layer in full precision; weights of a size, biases of a seed.</summary>
    private static Network Layers(int seed, double size = 1)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator((ulong)seed + 1);
        using var builder = new NetworkBuilder();
        torch.Tensor Random(params long[] shape) => torch.randn(shape, generator: generator).mul(size);
        builder.Node("Conv", "conv",
            [builder.Input("x", -1, 3, 6, 6), builder.Parameter("conv.weight", Random(4, 3, 3, 3)),
                builder.Parameter("conv.bias", Random(4))]);
        builder.Node("Flatten", "flat", [builder.Node("Relu", "relu", ["conv"])]);
        builder.Node("Add", "y", [builder.Node(
            "MatMul", "product", ["flat", builder.Parameter("product.weight", Random(64, 5))]),
            builder.Parameter("product.bias", Random(5))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 5]));
    }

    /// <summary>Two quantized matrices, of which the first has a Gram matrix.</summary>
    private static Network Pair(int seed)
    {
        using var scope = torch.NewDisposeScope();
        using var source = new torch.Generator(99);
        using var own = new torch.Generator((ulong)seed);
        using var builder = new NetworkBuilder();
        var value = builder.Input("x", -1, 12);
        foreach (var name in new[] { "first", "second" })
        {
            var weight = torch.randn([12, 12], generator: source).mul(0.3)
                .add(torch.randn([12, 12], generator: own).mul(0.1));
            value = builder.Node("MatMul", name + ".product",
                [value, Quantized(builder, name, weight, torch.rand([12], generator: own).mul(0.02).add(0.1), 1)]);
        }
        var network = builder.Build(new GraphValue(value, ElementType.Float32, [-1, 12]));
        InputGrams.Collect(network, torch.randn([64, 12], generator: own).add(torch.randn([64, 1], generator: own)), 8,
            default);
        network.Metadata = network.Metadata.Remove(InputGrams.Prefix + "second");
        return network;
    }

    private static Network Product(float[,] weight, float[]? scale = null, long axis = 0)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var input = builder.Input("x", -1, weight.GetLength(0));
        var matrix = scale is null ? builder.Parameter("weight", torch.tensor(weight))
            : Quantized(builder, "weight", torch.tensor(weight), torch.tensor(scale), axis);
        return builder.Build(new GraphValue(builder.Node("MatMul", "y", [input, matrix]), ElementType.Float32, []));
    }

    private static string Quantized(NetworkBuilder builder, string name, torch.Tensor weight, torch.Tensor scale, long axis)
    {
        var quantizer = Operator.Create(FakeQuantize.Name, FakeQuantize.AttributesFor(new QuantizationRange(4, true), axis));
        builder.Node(new GraphNode(name + ".quantized", quantizer,
            [builder.Parameter(name, weight), builder.Parameter(name + ".scale", scale)], [name + ".quantized"]));
        return name + ".quantized";
    }

    private sealed class Own(Func<IReadOnlyList<MergeInput>, MergeRule> prepare, string name = "own") : MergeMethod
    {
        public override string Name => name;

        public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks) => prepare(networks);
    }
}

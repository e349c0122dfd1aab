using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

/// <summary>Which moments a network carries is what its site has chosen.</summary>
[TestClass]
public sealed class SentMomentsTests
{
    [TestMethod]
    public void Whole_moments_are_the_covariance()
    {
        using var scope = torch.NewDisposeScope();
        const int size = 40;
        // Fewer images than inputs, one input that is always 0, one that is the sum of two: no covariance of full rank.
        var rows = Rows(33, size, 1);
        using var network = Linear(size, 9);
        InputGrams.Collect(network, rows, 8, default, MomentsKind.Whole);
        var sent = InputGrams.Read(network.Metadata, "weight", size)!;
        var exact = Covariance(rows);
        var error = sent.Factor.mm(sent.Factor.t()).sub(exact).abs();
        // Half precision has 11 bits; a covariance is a sum of products of the factor's elements.
        var deviations = exact.diagonal().sqrt();
        Assert.IsTrue(error.le(deviations.outer(deviations).mul(2e-3).add(1e-8)).all()
            .item<bool>(), error.max().item<double>().ToString());
        Assert.IsLessThan(1e-3, sent.Mean.sub(rows.to(torch.ScalarType.Float64).mean([0])).abs().max().item<double>());
        Assert.AreEqual(0, sent.Rest.abs().sum().item<double>());
        Assert.IsNull(InputGrams.Read(network.Metadata, "weight", size + 1));
        Assert.IsNull(InputGram.Decode(network.Metadata[InputGrams.Prefix + "weight"][..^8], size));
    }

    /// <summary>
    /// RegMean of layers without bias: <c>(W1 G1 + W2 G2) (G1 + G2)^-1</c>, G the second moments (Jin et al., 2023, Eq.
    /// 2).
    /// </summary>
    [TestMethod]
    public void Whole_moments_merge_in_the_closed_form()
    {
        using var scope = torch.NewDisposeScope();
        const int size = 12;
        Network[] networks = [Linear(size, 1), Linear(size, 2)];
        torch.Tensor[] rows = [Correlated(200, size, 3), Correlated(200, size, 4)];
        var (product, sum) = (torch.zeros([2, size], torch.ScalarType.Float64),
            torch.zeros([size, size], torch.ScalarType.Float64));
        foreach (var (d, network) in networks.Index())
        {
            InputGrams.Collect(network, rows[d], 32, default, MomentsKind.Whole);
            var exact = rows[d].to(torch.ScalarType.Float64);
            var gram = exact.t().mm(exact).div(200);
            // Each site's matrix counts relative to the size of its covariance.
            gram = gram.div(gram.sub(exact.mean([0]).outer(exact.mean([0]))).square().sum().sqrt());
            (product, sum) = (product.add(network.Parameters["weight"].t().to(torch.ScalarType.Float64).mm(gram)),
                sum.add(gram));
        }
        var expected = torch.linalg.solve(sum, product.t());
        using var merged = NetworkMerger.Merge(networks, new() { Method = MergeMethod.RegMean(correlation: 1) });
        Assert.IsLessThan(0.01, merged.Parameters["weight"].sub(expected).abs().max().item<double>());
        using var mean = NetworkMerger.Merge(networks, new() { Method = MergeMethod.Mean() });
        Assert.IsGreaterThan(0.1, mean.Parameters["weight"].sub(expected).abs().max().item<double>());
        Array.ForEach(networks, network => network.Dispose());
    }

    [TestMethod]
    [DataRow(MomentsKind.Nothing, 0)]
    [DataRow(MomentsKind.LowRank, 8)]
    [DataRow(MomentsKind.Whole, 8)]
    [DataRow(MomentsKind.Automatic, 8)]
    public void The_file_holds_what_was_asked_for_and_says_so(MomentsKind kind, int layers)
    {
        using var images = torch.rand(40, 3, 8, 8);
        using var quantized = Quantize(images, new() { Kind = kind });
        Assert.HasCount(layers, InputGrams.In(quantized.Metadata).ToList());
        var report = SentMomentsReport.Of(quantized);
        Assert.AreEqual(layers > 0, report is not null);
        if (report is null)
            return;
        Assert.AreEqual(kind == MomentsKind.Automatic ? MomentsKind.LowRank : kind, report.Kind);
        Assert.AreEqual(40, report.Images);
        Assert.AreEqual(layers, report.Layers);
        Assert.AreEqual(InputGrams.In(quantized.Metadata).Sum(entry => entry.Value.Length), report.Bytes);
        Assert.IsNull(report.Noise);
        var whole = quantized.Graph.Layers.MatrixProducts.All(layer =>
            InputGrams.Read(quantized.Metadata, layer.Weight, layer.InputSize)!.Factor.shape[1] == layer.InputSize);
        Assert.AreEqual(kind == MomentsKind.Whole, whole);
        using var merged = NetworkMerger.Merge([quantized, quantized]);
        Assert.AreEqual("RegMean", merged.Metadata[NetworkMetadata.MergeMethod]);
        Assert.IsNull(SentMomentsReport.Of(merged));
    }

    [TestMethod]
    public void Too_few_images_send_nothing_or_are_refused()
    {
        using var images = torch.rand(31, 3, 8, 8);
        using var quantized = Quantize(images, new());
        Assert.IsFalse(InputGrams.AreIn(quantized.Metadata));
        var report = SentMomentsReport.Of(quantized)!;
        Assert.AreEqual((MomentsKind.Nothing, 31L, 0), (report.Kind, report.Images, report.Layers));
        foreach (var moments in new SentMoments[] { new() { Kind = MomentsKind.LowRank },
            new() { Kind = MomentsKind.Whole }, new() { Noise = new() } })
        {
            var message = Assert.ThrowsExactly<ArgumentException>(() => Quantize(images, moments)).Message;
            StringAssert.StartsWith(message, "31 images are too few for moments, which need 32: ");
        }
        using var few = Quantize(images, new() { Kind = MomentsKind.LowRank, MinImages = 31 });
        Assert.IsTrue(InputGrams.AreIn(few.Metadata));
        // More images are looked at than otherwise where more are wanted.
        Assert.ThrowsExactly<ArgumentException>(() => Quantize(images, new() { Kind = MomentsKind.Whole, MinImages = 300 }));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new SentMoments { MinImages = 1 }.Check());
    }

    [TestMethod]
    public void Warnings_say_that_nothing_is_sent()
    {
        var warnings = new List<string>();
        Assert.AreEqual(MomentsKind.Nothing, new SentMoments().KindFor(1, warnings.Add));
        StringAssert.StartsWith(warnings.Single(),
            "1 image is too few for moments, which need 32: the network carries none");
        Assert.AreEqual(MomentsKind.LowRank, new SentMoments().KindFor(32, warnings.Add));
        Assert.HasCount(1, warnings);
    }

    [TestMethod]
    public void Noise_is_refused_where_it_would_prove_nothing()
    {
        using var images = torch.rand(40, 3, 8, 8);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => (SentMoments.Nothing with { Noise = new() }).Check());
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => new SentMoments { Noise = new() { Delta = 1e-3 } }.KindFor(1000, null)).Message,
            "Delta is 0.001");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => new Microsoft.ML.Hdrq.Adaptation.AdaptationOptions
                {
                    Moments = new() { Noise = new() }
                }.Check()).Message, "quantize the network with noise");
        using var network = Linear(4, 1);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => PrivateGrams.Collect(network, torch.rand(40, 4), MomentsKind.Whole, new(), default)).Message,
            "are not quantized");
    }

    /// <summary>
    /// The smallest deviation with <c>integral max(0, p - e^epsilon q) = delta</c>, p and q normal and one sensitivity
    /// apart, which is what differential privacy means; the integral is summed here.
    /// </summary>
    [TestMethod]
    [DataRow(0.1, 1e-5)]
    [DataRow(1.0, 1e-5)]
    [DataRow(8.0, 1e-6)]
    [DataRow(50.0, 1e-5)]
    public void The_noise_is_as_large_as_the_guarantee_needs(double epsilon, double delta)
    {
        var deviation = GaussianMechanism.Deviation(epsilon, delta);
        var step = deviation * 1e-4;
        var sum = 0.0;
        for (var x = -40 * deviation; x < 1 + 40 * deviation; x += step)
        {
            var (p, q) = (-(x - 1) * (x - 1) / (2 * deviation * deviation), epsilon - x * x / (2 * deviation * deviation));
            sum += Math.Max(0, Math.Exp(p) - Math.Exp(Math.Min(q, 700))) * step / (deviation * Math.Sqrt(2 * Math.PI));
        }
        Assert.AreEqual(1, sum / delta, 1e-3);
        // Dwork and Roth's Theorem A.1 holds for an epsilon of at most 1, and takes more.
        if (epsilon <= 1)
            Assert.IsLessThan(Math.Sqrt(2 * Math.Log(1.25 / delta)) / epsilon, deviation);
    }

    [TestMethod]
    public void The_noise_has_its_deviation_along_every_direction()
    {
        using var scope = torch.NewDisposeScope();
        const double deviation = 0.3;
        const int draws = 4000;
        var direction = torch.randn([5, 5], torch.ScalarType.Float64, generator: new torch.Generator(1));
        direction = direction.add(direction.t());
        direction = direction.div(direction.square().sum().sqrt());
        var matrix = torch.eye(5, dtype: torch.ScalarType.Float64);
        var (squares, sum, fourth) = (0.0, 0.0, 0.0);
        for (var i = 0; i < draws; i++)
        {
            using var one = torch.NewDisposeScope();
            var noise = PrivateGrams.AddNoise(matrix, deviation).sub(matrix);
            Assert.AreEqual(0, noise.sub(noise.t()).abs().max().item<double>());
            var along = noise.mul(direction).sum().item<double>() / deviation;
            (sum, squares, fourth) = (sum + along, squares + along * along, fourth + Math.Pow(along, 4));
        }
        // Five standard errors: 1, sqrt(2) and sqrt(96) over the root of the number.
        Assert.AreEqual(0, sum / draws, 5 / Math.Sqrt(draws));
        Assert.AreEqual(1, squares / draws, 5 * Math.Sqrt(2.0 / draws));
        Assert.AreEqual(3, fourth / draws, 5 * Math.Sqrt(96.0 / draws));
    }

    /// <summary>Whatever one image is, the matrices of all layers together move by no more than the noise is for.</summary>
    [TestMethod]
    public void One_image_moves_the_moments_by_at_most_the_sensitivity()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(6);
        var images = torch.randn([32, 3, 8, 8], generator: generator);
        using var quantized = Quantize(images, SentMoments.Nothing);
        var before = PrivateGrams.Mean(quantized, images, default);
        Assert.HasCount(8, before);
        var most = 0.0;
        foreach (var scale in new[] { 0f, 1, -1e4f, 1e4f })
        {
            var changed = images.clone();
            changed[5] = scale == 1 ? torch.randn([3, 8, 8], generator: generator) : torch.full([3, 8, 8], scale);
            var after = PrivateGrams.Mean(quantized, changed, default);
            var moved = Math.Sqrt(before.Sum(layer => layer.Value.sub(after[layer.Key]).square().sum().item<double>()));
            Assert.IsLessThanOrEqualTo(PrivateGrams.Sensitivity(8, 32), moved);
            most = Math.Max(most, moved);
        }
        // The image is heard of, and clipping is what bounds it.
        Assert.IsGreaterThan(0.2 * PrivateGrams.Sensitivity(8, 32), most);
        var loud = PrivateGrams.Mean(quantized, torch.full([1, 3, 8, 8], 1e4f), default);
        Assert.AreEqual(PrivateGrams.Bound * Math.Sqrt(8),
            Math.Sqrt(loud.Values.Sum(value => value.square().sum().item<double>())), 1e-9);
    }

    /// <summary>Without clipping and noise the matrices are the moments of the layer's inputs.</summary>
    [TestMethod]
    public void Noise_is_the_only_difference_to_the_moments()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(7);
        var images = torch.randn([40, 3, 8, 8], generator: generator);
        using var quantized = Quantize(images, new() { Kind = MomentsKind.Whole });
        var layer = quantized.Graph.Layers.MatrixProducts.Last();
        var exact = InputGrams.Read(quantized.Metadata, layer.Weight, layer.InputSize)!;
        InputGrams.Send(quantized, images,
            new() { Kind = MomentsKind.Whole, Noise = new() { Epsilon = 100, Delta = 1e-3 } }, 8, default);
        var noisy = InputGrams.Read(quantized.Metadata, layer.Weight, layer.InputSize)!;
        var deviation = PrivateGrams.Sensitivity(8, 40) * GaussianMechanism.Deviation(100, 1e-3);
        Assert.IsLessThan(0.01, deviation);
        Assert.AreEqual(1, noisy.Mean.norm().item<double>() / exact.Mean.norm().item<double>(), 0.35);
        Assert.AreNotEqual(0, noisy.Mean.sub(exact.Mean).norm().item<double>());
    }

    [TestMethod]
    public void Noise_has_no_seed_and_leaves_no_tensor_behind()
    {
        using var images = torch.rand(40, 3, 8, 8);
        foreach (var kind in new[] { MomentsKind.LowRank, MomentsKind.Whole })
        {
            var plain = new SentMoments { Kind = kind };
            CollectionAssert.AreEqual(Sent(plain), Sent(plain));
            var noisy = plain with { Noise = new() { Epsilon = 2 } };
            var first = Sent(noisy);
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            var second = Sent(noisy);
            Sent(plain);
            Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            Assert.IsFalse(first.Intersect(second).Any());
        }
        using var one = Quantize(images, new() { Noise = new() { Epsilon = 2 } });
        var report = SentMomentsReport.Of(one)!;
        Assert.AreEqual((MomentsKind.LowRank, 40L, new MomentNoise { Epsilon = 2 }),
            (report.Kind, report.Images, report.Noise));

        List<string> Sent(SentMoments moments)
        {
            using var quantized = Quantize(images, moments);
            return [.. InputGrams.In(quantized.Metadata).Select(entry => entry.Value)];
        }
    }

    private static Network Quantize(torch.Tensor images, SentMoments moments)
    {
        using var network = ResNet.Cifar(8, 2, seed: 1, width: 2, inputSize: 8);
        return NetworkQuantizer.Quantize(
            network, images, new RoundToNearestOptions { WeightBits = 4, ActivationBits = 4, Moments = moments },
            seed: 3);
    }

    private static torch.Tensor Rows(int count, int size, ulong seed)
    {
        var rows = Correlated(count, size, seed);
        rows.select(1, 3).zero_();
        rows.select(1, 4).copy_(rows.select(1, 5).add(rows.select(1, 6)));
        return rows;
    }

    private static torch.Tensor Correlated(int count, int size, ulong seed)
    {
        using var generator = new torch.Generator(seed);
        return torch.randn([count, size], generator: generator).mm(torch.randn([size, size], generator: generator))
            .add(0.5f);
    }

    private static torch.Tensor Covariance(torch.Tensor rows)
    {
        rows = rows.to(torch.ScalarType.Float64);
        var centred = rows.sub(rows.mean([0]));
        return centred.t().mm(centred).div(rows.shape[0]);
    }

    private static Network Linear(int inputs, ulong seed)
    {
        using var generator = new torch.Generator(seed);
        using var builder = new NetworkBuilder();
        builder.Node("MatMul", "y",
            [builder.Input("x", -1, inputs),
                builder.Parameter("weight", torch.randn([inputs, 2], generator: generator))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }
}

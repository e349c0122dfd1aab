using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public sealed class InputGramsTests
{
    /// <summary>
    /// A linear layer of inputs with a few strong directions, as activations have, and the matrix computed here from
    /// all of them.
    /// </summary>
    [TestMethod]
    public void Diagonal_and_largest_directions_are_kept()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        const int size = 96;
        var mixing = torch.randn([size, size], generator: generator)
            .mul(torch.tensor(Enumerable.Range(0, size).Select(i => (float)Math.Pow(0.75, i)).ToArray()).unsqueeze(1));
        var rows = torch.randn([512, size], generator: generator).mm(mixing).add(0.5f);
        using var network = Linear(size);
        InputGrams.Collect(network, rows, 32, default);
        var sent = InputGrams.Read(network.Metadata, "weight", size)!;

        // The first 256 rows are looked at.
        var looked = rows.narrow(0, 0, InputGrams.MaxImages).to(torch.ScalarType.Float64);
        var exact = Covariance(looked);
        Assert.IsLessThan(2e-3, sent.Mean.sub(looked.mean([0])).abs().max().item<double>());
        var kept = sent.Rest.diag().add(sent.Factor.mm(sent.Factor.t()));
        Assert.IsLessThan(0.05, kept.diagonal().sub(exact.diagonal()).div(exact.diagonal()).abs().max().item<double>());
        Assert.AreEqual(InputGrams.Rank, sent.Factor.shape[1]);
        // No other matrix of as many directions is nearer to the whole one than that of the largest eigenvalues (Eckart
        // and Young, 1936), and this one, of bytes and two passes, is nearly as near.
        var (values, _) = torch.linalg.eigh(exact);
        var best = values.narrow(0, 0, size - InputGrams.Rank).square().sum().sqrt().item<double>();
        Assert.IsLessThan(1.5 * best, exact.sub(sent.Factor.mm(sent.Factor.t())).square().sum().sqrt().item<double>());
    }

    [TestMethod]
    public void Few_inputs_are_kept_whole()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(2);
        var rows = torch.randn([64, 3], generator: generator)
            .mm(torch.tensor(new float[,] { { 1, 0.5f, 0 }, { 0, 2, -1 }, { 0, 0, 0.5f } }));
        using var network = Linear(3);
        InputGrams.Collect(network, rows, 10, default);
        var sent = InputGrams.Read(network.Metadata, "weight", 3)!;
        var exact = Covariance(rows.to(torch.ScalarType.Float64));
        Assert.IsLessThan(0.04 * exact.abs().max()
            .item<double>(), sent.Rest.diag().add(sent.Factor.mm(sent.Factor.t())).sub(exact).abs().max().item<double>());
    }

    [TestMethod]
    public void Inputs_that_are_never_there_do_no_harm()
    {
        using var scope = torch.NewDisposeScope();
        using var network = Linear(20);
        using var other = Linear(20, seed: 4);
        InputGrams.Collect(network, torch.zeros([4, 20]), 2, default);
        InputGrams.Collect(other, torch.zeros([4, 20]), 2, default);
        var sent = InputGrams.Read(network.Metadata, "weight", 20)!;
        Assert.AreEqual(0, sent.Rest.sum().item<double>() + sent.Factor.abs().sum().item<double>(), 1e-30);
        // Nothing is known of what matters, and the mean is left.
        using var merged = NetworkMerger.Merge([network, other]);
        Assert.AreEqual("RegMean", merged.Metadata[NetworkMetadata.MergeMethod]);
        Assert.IsTrue(merged.Parameters["weight"]
            .allclose(network.Parameters["weight"].add(other.Parameters["weight"]).div(2)));
    }

    [TestMethod]
    public void Some_positions_of_every_image_stand_for_all()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(3);
        // 16,384 positions in each of 20 images; 256 of them would do for 128 images, here it is 1,638.
        var images = torch.randn([20, 2, 128, 128], generator: generator).mul(torch.linspace(1, 3, 20).reshape(20, 1, 1, 1));
        using var builder = new NetworkBuilder();
        builder.Node("Conv", "y", [builder.Input("x", -1, 2, 128, 128),
            builder.Parameter("weight", torch.randn([4, 2, 3, 3], generator: generator))],
            ("pads", new long[] { 1, 1, 1, 1 }));
        using var network = builder.Build(new GraphValue("y", ElementType.Float32, []));
        InputGrams.Collect(network, images, 8, default);
        var sent = InputGrams.Read(network.Metadata, "weight", 18)!;
        var diagonal = sent.Rest.add(sent.Factor.square().sum(1));
        // Uncorrelated, each of the mean of the images' variances, but for the zeros around them and the draw.
        var expected = torch.linspace(1, 3, 20).square().mean().item<float>();
        Assert.IsLessThan(0.1 * expected, diagonal.sub(expected).abs().max().item<double>());
    }

    /// <summary>A mean that is large against what varies takes nothing from what is known of that.</summary>
    [TestMethod]
    public void Large_means_leave_the_covariance_exact()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(5);
        var rows = torch.randn([200, 3], generator: generator).add(1000);
        using var network = Linear(3);
        InputGrams.Collect(network, rows, 64, default);
        var sent = InputGrams.Read(network.Metadata, "weight", 3)!;
        var exact = Covariance(rows.to(torch.ScalarType.Float64));
        Assert.IsLessThan(0.04, sent.Rest.diag().add(sent.Factor.mm(sent.Factor.t())).sub(exact).abs().max().item<double>());
        // Half precision has 11 bits.
        Assert.IsLessThan(0.5, sent.Mean.sub(rows.to(torch.ScalarType.Float64).mean([0])).abs().max().item<double>());
    }

    private static torch.Tensor Covariance(torch.Tensor rows)
    {
        var centred = rows.sub(rows.mean([0]));
        return centred.t().mm(centred).div(rows.shape[0]);
    }

    private static Network Linear(int inputs, ulong seed = 9)
    {
        using var generator = new torch.Generator(seed);
        using var builder = new NetworkBuilder();
        builder.Node("MatMul", "y",
            [builder.Input("x", -1, inputs),
                builder.Parameter("weight", torch.randn([inputs, 2], generator: generator))]);
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }
}

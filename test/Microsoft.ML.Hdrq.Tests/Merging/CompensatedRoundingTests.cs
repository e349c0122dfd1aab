using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class CompensatedRoundingTests
{
    /// <summary>
    /// The algorithm of the GPTQ paper as it stands there, with the whole matrix, its inverse and the Cholesky factor
    /// of that.
    /// </summary>
    [TestMethod]
    [DataRow(1, 3)]
    [DataRow(2, 8)]
    [DataRow(3, 0)]
    public void The_same_as_with_the_whole_matrix(int seed, int rank)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator((ulong)seed);
        const int size = 40;
        const int channels = 12;
        var gram = new InputGram(torch.zeros([size], torch.ScalarType.Float64),
            torch.rand([size], torch.ScalarType.Float64, generator: generator).add(0.05),
            torch.randn([size, rank], torch.ScalarType.Float64, generator: generator));
        var means = torch.randn([channels, size], torch.ScalarType.Float64, generator: generator).mul(3);
        var weight = new MergedWeight(
            [new int[channels * size]], [[1.0]], [1.0], [1.0], new QuantizationRange(4, true), channels, 1,
            means.data<double>().ToArray());

        var whole = gram.Rest.diag().add(gram.Factor.mm(gram.Factor.t()));
        var order = whole.diagonal().argsort(descending: true);
        var damped = whole.add(torch.eye(size, dtype: torch.ScalarType.Float64)
            .mul(0.01 * whole.diagonal().mean().item<double>()));
        var upper = torch.linalg.cholesky(torch.linalg.inv(damped.index_select(0, order).index_select(1, order))).t();
        var rest = means.index_select(1, order).clone();
        var expected = torch.zeros_like(rest);
        for (var i = 0; i < size; i++)
        {
            var rounded = rest.select(1, i).round().clamp(-8, 7);
            expected.select(1, i).copy_(rounded);
            rest.sub_(rest.select(1, i).sub(rounded).div(upper[i, i]).unsqueeze(1).mul(upper[i].unsqueeze(0)));
            rest.select(1, i).copy_(rounded);
        }
        var back = torch.zeros_like(expected).index_copy_(1, order, expected);
        CollectionAssert.AreEqual(back.data<double>().Select(value => (int)value).ToArray(),
            CompensatedRounding.Round(weight, gram));
        CollectionAssert.AreEqual(
            back.data<double>().Select(value => (int)value).ToArray(), CompensatedRounding.Round(weight, whole));
    }

    [TestMethod]
    public void Nothing_is_rounded_otherwise_that_is_on_the_grid()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(4);
        var gram = new InputGram(torch.zeros([54], torch.ScalarType.Float64),
            torch.zeros([54], torch.ScalarType.Float64),
            torch.randn([54, 2], torch.ScalarType.Float64, generator: generator));
        var integers = Enumerable.Range(0, 108).Select(i => (i * 7 % 16) - 8).ToArray();
        var weight = new MergedWeight(
            [integers, integers], [[0.1, 0.2], [0.1, 0.2]], [0.1, 0.2], [0.5, 0.5], new QuantizationRange(4, true), 2,
            9);
        CollectionAssert.AreEqual(integers, CompensatedRounding.Round(weight, gram));
        CollectionAssert.AreEqual(integers, CompensatedRounding.Round(weight, gram.Factor.mm(gram.Factor.t())));
    }
}

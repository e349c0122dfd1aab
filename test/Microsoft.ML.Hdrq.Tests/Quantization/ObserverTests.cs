using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class ObserverTests
{
    [TestMethod]
    public void TheLeastErrorIsWhereThePapersCodeFindsIt()
    {
        var root = GoldenFile.Read("mse_observer.json");
        var count = 0;
        foreach (var golden in root.GetProperty("cases").EnumerateArray())
        {
            var isSymmetric = golden.GetProperty("symmetric").GetBoolean();
            // Negative values with an unsigned range: the paper's code ignores the zero point that it finds for them.
            if (!isSymmetric && golden.GetProperty("one_side").GetString() != "pos")
                continue;
            using var scope = torch.NewDisposeScope();
            var (_, data) = root.GetProperty("tensors").GetProperty(golden.GetProperty("tensor").GetString()!).Tensor();
            var observer = new MseObserver();
            observer.Observe(torch.tensor(data).reshape(1, -1),
                new QuantizationRange(golden.GetProperty("bit").GetInt32(), isSymmetric));
            Golden.AssertClose([golden.GetProperty("scale").GetSingle()], observer.Scale(), $"case {count++}");
        }
        Assert.AreEqual(32, count);
    }

    [TestMethod]
    public void TheLargestChoiceOfSeveralBatchesHolds()
    {
        var root = GoldenFile.Read("mse_observer.json").GetProperty("multi_batch");
        foreach (var golden in root.GetProperty("cases").EnumerateArray())
        {
            using var scope = torch.NewDisposeScope();
            var observer = new MseObserver();
            foreach (var (batch, expected) in root.GetProperty("batches").EnumerateArray()
                .Zip(golden.GetProperty("after_each_batch").EnumerateArray()))
            {
                observer.Observe(torch.tensor(batch.Tensor().Values).reshape(1, -1),
                    new QuantizationRange(golden.GetProperty("bit").GetInt32(),
                        golden.GetProperty("symmetric").GetBoolean()));
                Golden.AssertClose([expected.GetProperty("scale").GetSingle()], observer.Scale());
            }
        }
    }

    [TestMethod]
    [DataRow(1, 40_000)]
    [DataRow(5, 333)]
    public void OnePassChoosesWhatTensorOperationsChoose(int rows, int count)
    {
        using var scope = torch.NewDisposeScope();
        var values = SmallNetworks.Random(1, rows, count);
        foreach (var (given, range) in new[] { (values, new QuantizationRange(3, isSigned: true)),
            (values.relu(), new QuantizationRange(4, isSigned: false)) })
        {
            var (fused, composed) = (new MseObserver(), new MseObserver());
            fused.Observe(given, range);
            // The same numbers, but not one after the other in memory.
            composed.Observe(torch.stack([given, given], -1).select(-1, 0), range);
            Assert.AreEqual(TensorData.FromTorch(composed.Scale()), TensorData.FromTorch(fused.Scale()));
        }
    }

    [TestMethod]
    [DataRow(2, true)]
    [DataRow(4, true)]
    [DataRow(8, false)]
    public unsafe void TheChoiceIsTheBestOfAllCandidates(int bits, bool isSigned)
    {
        using var scope = torch.NewDisposeScope();
        var range = new QuantizationRange(bits, isSigned);
        var noise = SmallNetworks.Random(2, 6, 5000);
        // Heavy tails, of which a small candidate cuts off much in few places; a row of zeros; one with few values.
        var rows = noise.mul(noise).mul(noise);
        rows[0].zero_();
        rows[1].masked_fill_(rows[1].abs().lt(torch.tensor(1f)), torch.tensor(0f).ToScalar());
        rows = isSigned ? rows : rows.abs();
        var observer = new MseObserver();
        observer.Observe(rows, range);
        var (values, scales) = (rows.data<float>().ToArray(), observer.Scale().data<float>().ToArray());
        fixed (float* first = values)
        {
            for (var row = 0; row < rows.shape[0]; row++)
            {
                var from = first + row * rows.shape[1];
                var largest = values.Skip((int)(row * rows.shape[1])).Take((int)rows.shape[1]).Max(Math.Abs);
                var best = Enumerable.Range(1, 100)
                    .Min(i => Error(from, (float)Math.Max(range.ScaleFor(i / 100.0 * largest), RangeObserver.MinScale)));
                Assert.IsLessThanOrEqualTo(best * (1 + 1e-5), Error(from, scales[row]), $"row {row}");
            }
        }

        double Error(float* from, float scale) => QuantizationError.Sum(from, rows.shape[1], scale, range);
    }

    [TestMethod]
    public void MinMaxTakesTheLargestValueOfEachRow()
    {
        using var scope = torch.NewDisposeScope();
        var observer = new MinMaxObserver();
        observer.Observe(torch.tensor(new float[,] { { 1, -3, 2 }, { 0, 0.75f, -0.5f } }),
            new QuantizationRange(4, isSigned: true));
        Golden.AssertClose([3 / 7.5f, 0.1f], observer.Scale());
        observer.Observe(torch.tensor(new float[,] { { 1, 1, 2 }, { 0, -1.5f, -0.5f } }),
            new QuantizationRange(4, isSigned: true));
        Golden.AssertClose([3 / 7.5f, 0.2f], observer.Scale());
    }

    [TestMethod]
    [DataRow(100, 200)]
    [DataRow(99, 198)]
    [DataRow(50, 100)]
    [DataRow(0.1, 1)]
    public void PercentileTakesTheValueThatSoManyStayBelow(double percentile, float expected)
    {
        using var scope = torch.NewDisposeScope();
        var observer = new PercentileObserver(percentile);
        // 1 to 200 with alternating signs, not in order.
        var values = Enumerable.Range(0, 200).Select(i => (i * 73 % 200 + 1) * (i % 2 == 0 ? 1f : -1f)).ToArray();
        observer.Observe(torch.tensor(values).reshape(1, -1), new QuantizationRange(8, isSigned: false));
        Golden.AssertClose([expected / 255], observer.Scale());
    }

    [TestMethod]
    public void TheAverageOfSeveralBatchesIsTheMean()
    {
        using var scope = torch.NewDisposeScope();
        var observer = new AverageMseObserver();
        // Two levels, 0 and the greatest: the range that represents them exactly is the greatest value itself.
        foreach (var greatest in new[] { 1f, 2, 6 })
            observer.Observe(torch.tensor(new[] { 0, 0, greatest, greatest }).reshape(1, -1),
                new QuantizationRange(2, isSigned: false));
        Golden.AssertClose([3 / 3f], observer.Scale());
    }

    [TestMethod]
    public void ZerosHaveAPositiveScaleAndNoValuesNone()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var observer in new RangeObserver[] { new MseObserver(), new MinMaxObserver(),
            new AverageMseObserver(), new PercentileObserver(99) })
        {
            Assert.ThrowsExactly<InvalidOperationException>(() => observer.Scale());
            observer.Observe(torch.zeros(1, 9), new QuantizationRange(4, isSigned: false));
            Assert.AreEqual(RangeObserver.MinScale, observer.Scale().item<float>());
        }
    }
}

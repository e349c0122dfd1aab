using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class NoiseTests
{
    private const int Draws = 1 << 18;

    [TestMethod]
    public void DrawsHaveTheDistributionOfTheRoundingErrors()
    {
        var root = GoldenFile.Read("noise_quant.json");
        foreach (var golden in root.GetProperty("cases").EnumerateArray())
        {
            using var scope = torch.NewDisposeScope();
            var data = root.GetProperty("tensors").GetProperty(golden.GetProperty("tensor").GetString()!).Tensor().Values;
            var range = new QuantizationRange(
                golden.GetProperty("bit").GetInt32(), golden.GetProperty("signed").GetBoolean());
            var scale = golden.GetProperty("scale").GetSingle();
            var errors = data.Select(value => (double)(value / scale))
                .Where(steps => steps > range.Minimum && steps < range.Maximum)
                .Select(steps => Math.Round(steps) - steps).ToArray();
            // The reference counts the ends of the range as inside.
            Assert.IsLessThanOrEqualTo(2, Math.Abs(errors.Length - golden.GetProperty("in_range_count").GetInt32()));
            var (mean, variance) = (errors.Average(), Variance(errors));
            if (errors.Length == golden.GetProperty("in_range_count").GetInt32())
            {
                // Its bins move an error by at most 1/512, and their width adds a little variance.
                Assert.AreEqual(golden.GetProperty("noise_mean").GetDouble(), mean, 1 / 512.0);
                Assert.AreEqual(golden.GetProperty("noise_var").GetDouble(), variance, 0.003);
            }
            // Both ways of drawing; many values, so that the table is what is tested and not chance.
            var values = torch.tensor(Enumerable.Range(0, Draws).Select(i => data[i % data.Length]).ToArray());
            using var pool = new RandomPool(5, torch.CPU, NoiseRounding.TableSize, 1);
            var drawn = Golden.Numbers(new NoiseRounding(pool).Noise(values.div(scale), range));
            var table = Table(values, torch.tensor(scale), range, pool);
            foreach (var sample in new[] { drawn, table })
            {
                var numbers = sample.Select(number => (double)number).ToArray();
                // Three and more standard deviations of 4096 draws.
                Assert.AreEqual(mean, numbers.Average(), 4 * Math.Sqrt(variance / NoiseRounding.TableSize));
                Assert.AreEqual(variance, Variance(numbers), 0.012);
                Assert.IsLessThan(2.2 / Math.Sqrt(NoiseRounding.TableSize), Distance(errors, numbers), "Kolmogorov-Smirnov");
            }
        }
    }

    [TestMethod]
    public void ValuesInsideGetDrawsAndThoseOutsideTheEnd()
    {
        using var scope = torch.NewDisposeScope();
        var values = SmallNetworks.Random(3, 3, 100_000).mul(2);
        var scale = torch.tensor(0.5f);
        using var pool = new RandomPool(5, torch.CPU, NoiseRounding.TableSize, 1);
        using var workspace = new Workspace();
        foreach (var scheme in new RoundingScheme[] { new NoiseRounding(pool),
            new TrainingRounding(pool, workspace, isNoisy: true, isMixed: false, isActivation: false) })
        {
            var result = scheme.Apply(values, scale, new QuantizationRange(4, isSigned: true));
            CollectionAssert.AreEqual(values.shape, result.shape);
            var (before, after) = (Golden.Numbers(values), Golden.Numbers(result));
            for (var i = 0; i < before.Length; i++)
            {
                if (before[i] <= -4)
                    Assert.AreEqual(-4, after[i], 1e-6);
                else if (before[i] >= 3.5)
                    Assert.AreEqual(3.5, after[i], 1e-6);
                else
                    Assert.AreEqual(before[i], after[i], 0.25 + 1e-6);
            }
            // An error of its own for each value, not the value's own.
            Assert.IsGreaterThan(before.Length / 2,
                before.Zip(after).Count(pair => Math.Abs(pair.Second - 0.5 * Math.Round(pair.Second / 0.5)) > 0.01));
        }
    }

    [TestMethod]
    public void NothingInsideTheRangeGivesNoNoise()
    {
        using var scope = torch.NewDisposeScope();
        using var pool = new RandomPool(5, torch.CPU, NoiseRounding.TableSize, 1);
        using var workspace = new Workspace();
        var (zeros, range) = (torch.zeros(2, 50), new QuantizationRange(4, isSigned: false));
        foreach (var scheme in new RoundingScheme[] { new NoiseRounding(pool),
            new TrainingRounding(pool, workspace, isNoisy: true, isMixed: false, isActivation: true) })
            Golden.AssertClose(new float[100], scheme.Apply(zeros, torch.tensor(0.1f), range));
        Assert.IsTrue(Table(zeros, torch.tensor(0.1f), range, pool).All(error => error == 0));
    }

    [TestMethod]
    [DataRow(3, 1)]
    [DataRow(40, 1)]
    [DataRow(40, 2)]
    public void EveryValueIsEquallyLikelyInTheTable(int count, int scaleCount)
    {
        using var scope = torch.NewDisposeScope();
        using var pool = new RandomPool(5, torch.CPU, NoiseRounding.TableSize, 1);
        // Errors of -0.3, -0.29 and so on, and scales with which the second half of the values has the same.
        var errors = Enumerable.Range(0, count).Select(i => (i % (count / scaleCount) - 30) / 100f).ToArray();
        var scale = torch.tensor(Enumerable.Range(1, scaleCount).Select(i => (float)i).ToArray()).reshape(scaleCount, 1);
        var values = torch.tensor(errors).neg().reshape(scaleCount, -1).mul(scale);
        var counts = new int[count / scaleCount];
        const int Tables = 50;
        for (var i = 0; i < Tables; i++)
        {
            foreach (var error in Table(values, scale, new QuantizationRange(8, isSigned: true), pool))
                counts[(int)Math.Round(error * 100) + 30]++;
        }
        foreach (var number in counts)
            Assert.AreEqual(1, number * (double)counts.Length / (Tables * NoiseRounding.TableSize), 0.1);
    }

    [TestMethod]
    public void TheSameSeedGivesTheSameNoise()
    {
        using var scope = torch.NewDisposeScope();
        var values = SmallNetworks.Random(3, 1000);
        foreach (var isFused in new[] { true, false })
        {
            var results = new[] { 1, 1, 2 }.Select(seed =>
            {
                using var pool = new RandomPool(seed, torch.CPU, NoiseRounding.TableSize, 0.5);
                using var workspace = new Workspace();
                RoundingScheme scheme = isFused
                    ? new TrainingRounding(pool, workspace, isNoisy: true, isMixed: true, isActivation: false)
                    : new MixedRounding(new NoiseRounding(pool), pool);
                return TensorData.FromTorch(
                    scheme.Apply(values, torch.tensor(0.2f), new QuantizationRange(4, isSigned: true)));
            }).ToList();
            Assert.AreEqual(results[0], results[1]);
            Assert.AreNotEqual(results[0], results[2]);
        }
    }

    [TestMethod]
    public void MixingLeavesTheRightShareAsItIs()
    {
        using var scope = torch.NewDisposeScope();
        var values = SmallNetworks.Random(3, 200_001);
        foreach (var probability in new[] { 0.5, 0.8 })
        {
            using var pool = new RandomPool(4, torch.CPU, NoiseRounding.TableSize, probability);
            using var workspace = new Workspace();
            foreach (var scheme in new RoundingScheme[] { new MixedRounding(NearestRounding.Instance, pool),
                new TrainingRounding(pool, workspace, isNoisy: false, isMixed: true, isActivation: false) })
            {
                values.grad = null;
                var given = values.detach().requires_grad_();
                var scale = torch.tensor(0.5f).requires_grad_();
                var result = scheme.Apply(given, scale, new QuantizationRange(3, isSigned: true));
                var rounded = Golden.Numbers(
                    NearestRounding.Instance.Apply(
                        values, torch.tensor(0.5f), new QuantizationRange(3, isSigned: true)));
                var (before, after) = (Golden.Numbers(values), Golden.Numbers(result));
                Assert.AreEqual(probability,
                    before.Zip(after).Count(pair => pair.First != pair.Second) / (double)before.Length, 0.01);
                result.sum().backward();
                var gradients = Golden.Numbers(given.grad!);
                for (var i = 0; i < before.Length; i++)
                {
                    Assert.IsTrue(after[i] == before[i] || Math.Abs(after[i] - rounded[i]) < 1e-6);
                    // 0 only where the value was quantized and is outside.
                    if (gradients[i] == 0)
                        Assert.IsTrue(before[i] is > 1.7f or < -2.2f && after[i] != before[i]);
                }
            }
        }
    }

    [TestMethod]
    public void OnePassPerChannelIsTheSameAsTensorOperations()
    {
        using var scope = torch.NewDisposeScope();
        using var workspace = new Workspace();
        foreach (var (shape, scaleShape) in new (
            long[], long[])[] { ([5, 3, 7, 7], [5, 1, 1, 1]), ([5, 3, 7, 7], [1, 3, 1, 1]), ([1, 70_001], []),
                ([3, 40_000], [3, 1]) })
        {
            var data = SmallNetworks.Random(3, shape);
            var scales = torch.rand(scaleShape, generator: new torch.Generator(2)).mul(0.2).add(0.1);
            var gradient = SmallNetworks.Random(4, shape);
            var results = new List<(float[] Y, float[] X, float[] S)>();
            foreach (var isFused in new[] { true, false })
            {
                var (values, scale) = (data.clone().requires_grad_(), scales.clone().requires_grad_());
                Assert.IsTrue(FusedRounding.CanApply(values, scale));
                var range = new QuantizationRange(4, isSigned: true);
                var result = isFused ? FusedRounding.Apply(values, scale, new(range, 1, null, null, false, workspace))
                    : NearestRounding.Instance.Apply(values, scale, range);
                result.backward([gradient]);
                CollectionAssert.AreEqual(scaleShape, scale.grad!.shape);
                results.Add((Golden.Numbers(result), Golden.Numbers(values.grad!), Golden.Numbers(scale.grad!)));
            }
            for (var i = 0; i < results[0].Y.Length; i++)
            {
                Assert.AreEqual(results[1].Y[i], results[0].Y[i], 1e-5);
                Assert.AreEqual(results[1].X[i], results[0].X[i]);
            }
            for (var i = 0; i < results[0].S.Length; i++)
                Assert.AreEqual(results[1].S[i], results[0].S[i], 1e-3 * Math.Max(1, Math.Abs(results[1].S[i])));
        }
    }

    private static float[] Table(torch.Tensor values, torch.Tensor scale, QuantizationRange range, RandomPool pool)
    {
        var table = new float[NoiseRounding.TableSize];
        Array.Fill(table, float.NaN);
        NoiseRounding.Fill(table, values, scale, range, pool);
        return table;
    }

    private static double Variance(IReadOnlyCollection<double> numbers)
    {
        var mean = numbers.Average();
        return numbers.Average(number => (number - mean) * (number - mean));
    }

    /// <summary>The largest difference of the two cumulative distributions.</summary>
    private static double Distance(double[] a, double[] b)
    {
        var (sortedA, sortedB) = (a.Order().ToArray(), b.Order().ToArray());
        // Errors of single and of double precision differ a little.
        return sortedA.Select(limit => Math.Abs(Share(sortedA, limit + 1e-5) - Share(sortedB, limit + 1e-5))).Max();

        static double Share(double[] sorted, double limit) =>
            sorted.Count(number => number <= limit) / (double)sorted.Length;
    }
}

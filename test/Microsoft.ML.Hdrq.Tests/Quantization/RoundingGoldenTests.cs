using System.Text.Json;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>Quantizers against the values and gradients that the paper's public code gives.</summary>
[TestClass]
public sealed class RoundingGoldenTests
{
    [TestMethod]
    public void RoundingToNearestIsThePapersCode() => Check("fake_quant.json", (_, _) => NearestRounding.Instance);

    [TestMethod]
    public void ScaledGradientsAreThePapersCode() => Check("lsq.json", (_, _) => new ScaledGradientRounding(NearestRounding.Instance));

    [TestMethod]
    public void RoundingInOnePassIsThePapersCode() => Check("fake_quant.json", (_, _) => new Fused(1, null));

    [TestMethod]
    public void ScaledGradientsInOnePassAreThePapersCode() => Check("lsq.json", (golden, _) => new Fused(golden.GetProperty("grad_factor").GetDouble(), null));

    [TestMethod]
    public void NoiseIsThePapersCode() => Check("noise_quant.json", (golden, _) => new GivenNoise(golden.GetProperty("noise").Numbers()));

    [TestMethod]
    public void NoiseInOnePassIsThePapersCode() => Check("noise_quant.json", (golden, _) => new Fused(1, golden.GetProperty("noise").Numbers()));

    [TestMethod]
    public void NoiseWithScaledGradientsIsThePapersCode()
    {
        Check("noise_quant.json", (golden, _) => new ScaledGradientRounding(new GivenNoise(golden.GetProperty("noise").Numbers())), "lsq");
        Check("noise_quant.json", (golden, lsq) => new Fused(lsq.GetProperty("grad_factor").GetDouble(), golden.GetProperty("noise").Numbers()), "lsq");
    }

    private static void Check(string file, Func<JsonElement, JsonElement, RoundingScheme> create, string? part = null)
    {
        var root = GoldenFile.Read(file);
        var count = 0;
        foreach (var golden in root.GetProperty("cases").EnumerateArray())
        {
            using var scope = torch.NewDisposeScope();
            var expected = part is null ? golden : golden.GetProperty(part);
            var name = $"{golden.GetProperty("tensor").GetString()}, case {count++}";
            var (shape, data) = root.GetProperty("tensors").GetProperty(golden.GetProperty("tensor").GetString()!).Tensor();
            var range = new QuantizationRange(golden.GetProperty("bit").GetInt32(), golden.GetProperty("signed").GetBoolean());
            Assert.AreEqual(golden.GetProperty("qmin").GetInt32(), range.Minimum, name);
            Assert.AreEqual(golden.GetProperty("qmax").GetInt32(), range.Maximum, name);
            var values = torch.tensor(data).reshape(shape).requires_grad_();
            var scale = torch.tensor(golden.GetProperty("scale").GetSingle()).requires_grad_();
            var result = create(golden, expected).Apply(values, scale, range);
            Golden.AssertClose(golden.GetProperty("y").Numbers(), result, name);
            result.mul(torch.tensor(golden.GetProperty("g").Numbers()).reshape(shape)).sum().backward();
            Golden.AssertClose(expected.GetProperty("grad_x").Numbers(), values.grad!, name);
            Golden.AssertClose([expected.GetProperty("grad_scale").GetSingle()], scale.grad!, name);
            // Without gradients the values are the same.
            using var noGradients = torch.no_grad();
            Golden.AssertClose(golden.GetProperty("y").Numbers(), create(golden, expected).Apply(values, scale, range), name);
        }
        Assert.IsGreaterThanOrEqualTo(7, count);
    }

    /// <summary>Noise whose values are known.</summary>
    private sealed class GivenNoise(float[] noise) : RoundingScheme
    {
        internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
        {
            var (inside, remainder) = NoiseRounding.InsideAndRemainder(values.detach().div(scale.detach()), torch.tensor(noise).reshape(values.shape), range);
            return WithGradients(values, scale, inside, remainder);
        }
    }

    /// <summary>The pass of its own, with noise whose values are known or rounding.</summary>
    private sealed class Fused(double factor, float[]? noise) : RoundingScheme
    {
        internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
        {
            float[]? table = null;
            torch.Tensor? draws = null;
            if (noise is not null)
            {
                table = new float[NoiseRounding.TableSize];
                noise.CopyTo(table, 0);
                draws = torch.arange(noise.Length, torch.ScalarType.Int32);
            }
            Assert.IsTrue(FusedRounding.CanApply(values, scale));
            // The results keep the memory.
            using var workspace = new Workspace();
            return FusedRounding.Apply(values, scale, new(range, factor, table, draws, IsMixed: false, workspace));
        }
    }
}

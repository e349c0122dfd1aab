using System.Text.Json;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

/// <summary>
/// Quantizers and losses against the values and gradients that the paper's public code gives, on any device. A check
/// throws <see cref="InvalidDataException"/> where they differ.
/// </summary>
internal static class RoundingGolden
{
    /// <summary>Relative; numbers below a tenth are compared as if they were a tenth.</summary>
    private const double Tolerance = 1e-5;

    public static IReadOnlyList<(string Name, Action<torch.Device> Check)> Checks { get; } =
    [
        ("rounding to nearest", device => Check("fake_quant.json", device, (_, _) => NearestRounding.Instance)),
        ("scaled gradients", device =>
            Check("lsq.json", device, (_, _) => new ScaledGradientRounding(NearestRounding.Instance))),
        ("rounding in one pass", device => Check("fake_quant.json", device, (_, _) => new Fused(1, null))),
        ("scaled gradients in one pass", device =>
            Check("lsq.json", device, (golden, _) => new Fused(golden.GetProperty("grad_factor").GetDouble(), null))),
        ("noise", device => Check("noise_quant.json", device, (golden, _) => new GivenNoise(Noise(golden)))),
        ("noise in one pass", device => Check("noise_quant.json", device, (golden, _) => new Fused(1, Noise(golden)))),
        ("noise with scaled gradients", device => Check(
            "noise_quant.json", device,
            (golden, _) => new ScaledGradientRounding(new GivenNoise(Noise(golden))), "lsq")),
        ("noise with scaled gradients in one pass", device => Check(
            "noise_quant.json", device,
            (golden, lsq) => new Fused(lsq.GetProperty("grad_factor").GetDouble(), Noise(golden)), "lsq")),
        ("squared loss of maps", device => CheckLoss("loss4d", device)),
        ("squared loss of vectors", device => CheckLoss("loss2d", device)),
    ];

    private static void Check(
        string file, torch.Device device, Func<JsonElement, JsonElement, RoundingScheme> create, string? part = null)
    {
        var root = GoldenFile.Read(file);
        var count = 0;
        foreach (var golden in root.GetProperty("cases").EnumerateArray())
        {
            using var scope = torch.NewDisposeScope();
            var expected = part is null ? golden : golden.GetProperty(part);
            var name = $"{golden.GetProperty("tensor").GetString()}, case {count++}";
            var (shape, data) = root.GetProperty("tensors").GetProperty(golden.GetProperty("tensor").GetString()!).Tensor();
            var range = new QuantizationRange(
                golden.GetProperty("bit").GetInt32(), golden.GetProperty("signed").GetBoolean());
            if (golden.GetProperty("qmin").GetInt32() != range.Minimum
                || golden.GetProperty("qmax").GetInt32() != range.Maximum)
                throw new InvalidDataException($"{name}: the range is {range.Minimum} to {range.Maximum}.");
            var values = torch.tensor(data, device: device).reshape(shape).requires_grad_();
            var scale = torch.tensor(golden.GetProperty("scale").GetSingle(), device: device).requires_grad_();
            var result = create(golden, expected).Apply(values, scale, range);
            Compare(golden.GetProperty("y").Numbers(), result, name);
            var given = torch.tensor(golden.GetProperty("g").Numbers(), device: device).reshape(shape);
            result.mul(given).sum().backward();
            Compare(expected.GetProperty("grad_x").Numbers(), values.grad!, $"{name}, gradient");
            Compare([expected.GetProperty("grad_scale").GetSingle()], scale.grad!, $"{name}, gradient of the scale");
            // Without gradients the values are the same.
            using var noGradients = torch.no_grad();
            var again = create(golden, expected).Apply(values, scale, range);
            Compare(golden.GetProperty("y").Numbers(), again, $"{name}, without gradients");
        }
        if (count < 7)
            throw new InvalidDataException($"{file} has only {count} cases.");
    }

    private static void CheckLoss(string name, torch.Device device)
    {
        using var scope = torch.NewDisposeScope();
        var golden = GoldenFile.Read("block_loss.json").GetProperty(name);
        var (shape, values) = golden.GetProperty("pred").Tensor();
        var output = torch.tensor(values, device: device).reshape(shape).requires_grad_();
        var target = torch.tensor(golden.GetProperty("tgt").Tensor().Values, device: device).reshape(shape);
        var loss = ReconstructionLoss.Squared(output, target);
        Compare([golden.GetProperty("value").GetSingle()], loss, name);
        loss.backward();
        Compare(golden.GetProperty("grad_pred").Numbers(), output.grad!, $"{name}, gradient");
    }

    private static void Compare(ReadOnlySpan<float> expected, torch.Tensor actual, string what)
    {
        using var scope = torch.NewDisposeScope();
        var numbers = actual.detach().cpu().contiguous().data<float>().ToArray();
        if (expected.Length != numbers.Length)
            throw new InvalidDataException($"{what}: {numbers.Length} numbers instead of {expected.Length}.");
        for (var i = 0; i < numbers.Length; i++)
        {
            if (!(Math.Abs(expected[i] - numbers[i]) <= Tolerance * Math.Max(0.1, Math.Abs(expected[i]))))
                throw new InvalidDataException($"{what}: element {i} is {numbers[i]} instead of {expected[i]}.");
        }
    }

    private static float[] Noise(JsonElement golden) => golden.GetProperty("noise").Numbers();

    /// <summary>Noise whose values are known.</summary>
    private sealed class GivenNoise(float[] noise) : RoundingScheme
    {
        internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
        {
            var (inside, remainder) = NoiseRounding.InsideAndRemainder(
                values.detach().div(scale.detach()),
                torch.tensor(noise, device: values.device).reshape(values.shape),
                range);
            return WithGradients(values, scale, inside, remainder);
        }
    }

    /// <summary>The pass of its own, with noise whose values are known or rounding.</summary>
    private sealed class Fused(double factor, float[]? noise) : RoundingScheme
    {
        internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
        {
            torch.Tensor? table = null;
            torch.Tensor? draws = null;
            if (noise is not null)
            {
                var entries = new float[NoiseRounding.TableSize];
                noise.CopyTo(entries, 0);
                table = torch.tensor(entries, device: values.device);
                draws = torch.arange(noise.Length, torch.ScalarType.Int32, values.device);
            }
            if (!FusedRounding.CanApply(values, scale))
                throw new InvalidDataException($"There is no pass for values on {values.device_type}.");
            // The results keep the memory.
            using var workspace = new Workspace();
            return FusedRounding.Apply(values, scale, new(range, factor, table, draws, IsMixed: false, workspace));
        }
    }
}

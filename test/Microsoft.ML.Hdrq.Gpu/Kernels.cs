using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>
/// The passes of a training step: the values that the paper's code gives, and the same passes in host memory.
/// </summary>
internal static class Kernels
{
    private static readonly QuantizationRange _range = new(4, isSigned: true);

    public static void Run(Setting setting)
    {
        var (log, device) = (setting.Log, setting.Device);
        foreach (var (name, check) in RoundingGolden.Checks)
        {
            setting.Limit.ThrowIfCancellationRequested();
            using var scope = torch.NewDisposeScope();
            try
            {
                check(device);
                log.Check(name, passed: true, "as in the file");
            }
            catch (InvalidDataException e)
            {
                log.Check(name, passed: false, e.Message);
            }
        }
        Rounding("one scale", [4, 8, 40, 40], [1], setting);
        Rounding("odd sizes", [3, 5, 7, 11], [1], setting);
        Rounding("a scale for each output channel", [64, 32, 3, 3], [64, 1, 1, 1], setting);
        Rounding("a scale for each input channel", [16, 24, 5, 5], [1, 24, 1, 1], setting);
        Rounding("runs longer than a piece", [3, 9000], [3, 1], setting);
        if (device.type == DeviceType.CUDA)
        {
            Table([2, 16, 32, 32], [1], setting);
            Table([64, 9], [64, 1], setting);
            Table([1, 3], [1], setting);
        }
        Selection(setting);
        Optimizers(setting);
    }

    private static void Rounding(string name, long[] shape, long[] scaleShape, Setting setting)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (isNoisy, isMixed) in new[] { (false, false), (false, true), (true, false), (true, true) })
        {
            var expected = Rounded(shape, scaleShape, isNoisy, isMixed, torch.CPU);
            var actual = Rounded(shape, scaleShape, isNoisy, isMixed, setting.Device);
            var differences = expected.Zip(actual, Setting.Difference).ToArray();
            setting.Log.Check(
                $"{name}, {(isNoisy ? "noise" : "rounding")}{(isMixed ? ", mixed" : "")}",
                differences is [0, 0, < 1e-5],
                $"values {differences[0]:E1}, gradients {differences[1]:E1}, of scales {differences[2]:E1}");
        }
    }

    private static torch.Tensor[] Rounded(
        long[] shape, long[] scaleShape, bool isNoisy, bool isMixed, torch.Device device)
    {
        using var pool = new RandomPool(1, device, NoiseRounding.TableSize, 0.5);
        using var workspace = new Workspace();
        var values = Setting.Random(1, shape).mul(Scalars.Keep(2)).to(device).requires_grad_();
        var scale = Setting.Random(2, scaleShape).abs().add(Scalars.Keep(0.1), Scalars.One).mul(Scalars.Keep(0.3))
            .to(device).requires_grad_();
        var table = Setting.Random(4, NoiseRounding.TableSize).clamp(Scalars.Keep(-0.5), Scalars.Keep(0.5)).to(device);
        var result = FusedRounding.Apply(values, scale, new(
            _range, 0.3, isNoisy ? table : null, isNoisy || isMixed ? pool.Draws(values.numel()) : null, isMixed,
            workspace));
        result.mul(Setting.Random(3, shape).to(device)).sum().backward();
        return [result.detach().cpu(), values.grad!.cpu(), scale.grad!.cpu()];
    }

    /// <summary>
    /// Every entry of a table is the error of a value inside the range, and their distribution is the errors'.
    /// </summary>
    private static void Table(long[] shape, long[] scaleShape, Setting setting)
    {
        using var scope = torch.NewDisposeScope();
        using var pool = new RandomPool(1, setting.Device, NoiseRounding.TableSize, 0.5);
        var values = Setting.Random(1, shape);
        var scale = Setting.Random(2, scaleShape).abs().add(Scalars.Keep(0.1), Scalars.One).mul(Scalars.Keep(0.3));
        var steps = values.div(scale);
        var inside = steps.masked_select(
            steps.gt(Scalars.Keep(_range.Minimum)).logical_and(steps.lt(Scalars.Keep(_range.Maximum))));
        var errors = inside.round().sub(inside);
        var table = CudaRounding.Table(values.to(setting.Device), scale.to(setting.Device), _range, pool).cpu();
        var known = errors.data<float>().ToArray().ToHashSet();
        var unknown = table.data<float>().ToArray().Count(entry => !known.Contains(entry));
        var (mean, deviation) = (errors.mean().item<float>(), errors.std(unbiased: false).item<float>());
        var (tableMean, tableDeviation) = (table.mean().item<float>(), table.std(unbiased: false).item<float>());
        // Four standard errors of a mean of 4,096 draws.
        var isNear = Math.Abs(mean - tableMean) < 4 * deviation / 64 + 1e-6
            && Math.Abs(deviation - tableDeviation) < 0.1 * deviation + 1e-6;
        setting.Log.Check(
            $"table of {values.numel()} values", unknown == 0 && isNear,
            $"{unknown} unknown, mean {tableMean:F4} ({mean:F4}), deviation {tableDeviation:F4} ({deviation:F4})");
    }

    private static void Selection(Setting setting)
    {
        using var scope = torch.NewDisposeScope();
        var indices = new BatchIndices([4, 0, 4, 2]);
        var (quantized, exact) = (Setting.Random(1, 5, 3, 7, 9), Setting.Random(2, 5, 3, 7, 9));
        var expected = Selected(torch.CPU, torch.CPU);
        foreach (var home in new[] { setting.Device, torch.CPU })
        {
            var actual = Selected(setting.Device, home);
            setting.Log.Check(
                $"batches of images that are on {home.type}",
                expected.Zip(actual, Setting.Difference).All(difference => difference == 0),
                "the same images and choices");
        }

        torch.Tensor[] Selected(torch.Device device, torch.Device home)
        {
            using var pool = new RandomPool(1, device, NoiseRounding.TableSize, 0.7);
            using var workspace = new Workspace();
            var batches = new BatchSelection(device, pool, workspace);
            return
            [
                batches.Select(quantized.to(home), indices).cpu(),
                batches.SelectMixed(quantized.to(home), exact.to(home), indices).cpu(),
            ];
        }
    }

    /// <summary>Our Adam with distances against Torch's on the CPU.</summary>
    private static void Optimizers(Setting setting)
    {
        using var scope = torch.NewDisposeScope();
        const int steps = 30;
        var expected = Trained(torch.CPU);
        var actual = Trained(setting.Device);
        var difference = expected.Zip(actual, Setting.Difference).Max();
        setting.Log.Check($"{steps} steps of Adam with distances", difference < 1e-4, $"{difference:E1} from the CPU");

        torch.Tensor[] Trained(torch.Device device)
        {
            var weights = new[] { Learned(1, 16, 8, 3, 3), Learned(2, 70, 100), Learned(3, 16) };
            var (weightScale, activationScale) = (Learned(4, 16), Learned(5, 1));
            var source = Setting.Random(11, 16, 8, 3, 3).to(device);
            var other = Setting.Random(12, 70, 100).to(device);
            using var optimizer = BlockOptimizer.Create(
                new(weights, [weightScale], [activationScale],
                    [new(weights[0], source, 0.05), new(weights[1], other, 0.1),
                        new(weights[0], source.mul(other[0, 0]), 0.1)]));
            var losses = new List<torch.Tensor>();
            for (var step = 0; step < steps; step++)
            {
                using var stepScope = torch.NewDisposeScope();
                var loss = weights.Append(weightScale).Append(activationScale)
                    .Select((parameter, i) => parameter.sub(Setting.Random(20 + i, parameter.shape).to(device))
                        .square().sum())
                    .Aggregate((sum, term) => sum.add(term, Scalars.One));
                loss = optimizer.AddDistances(loss);
                losses.Add(loss.detach().cpu().reshape(1).MoveToOuterDisposeScope());
                optimizer.ZeroGradients();
                loss.backward();
                optimizer.Step(1e-2 * (1 - step / (double)steps), 3e-3);
            }
            return [torch.cat(losses), .. weights.Append(weightScale).Append(activationScale)
                .Select(tensor => tensor.detach().cpu())];

            Parameter Learned(int seed, params long[] shape) => new(Setting.Random(seed, shape).to(device));
        }
    }
}

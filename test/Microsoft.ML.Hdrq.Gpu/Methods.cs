using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>
/// All methods on a residual network of 20 layers: losses step by step, scores, and a merge of two networks.
/// </summary>
internal static class Methods
{
    public static void Run(Setting setting)
    {
        var steps = setting.IsBrief ? 3 : 20;
        using var network = Setting.ResNet20();
        using var other = Perturbed(network);
        var images = Setting.Random(5, setting.IsBrief ? 16 : 64, 3, 32, 32);
        (string Name, bool IsNoisy, QuantizationOptions Options)[] methods =
        [
            ("RTN", false, new RoundToNearestOptions()),
            ("BRECQ", false, new BrecqOptions { Training = new() { Iterations = steps } }),
            ("QDrop", false, new QDropOptions { Training = new() { Iterations = steps } }),
            ("HDRQ without noise", false, new HdrqOptions { Training = new() { Iterations = steps, UseNoise = false } }),
            ("HDRQ", true, new HdrqOptions { Training = new() { Iterations = steps } }),
            ("HDRQ, paper", true, HdrqOptions.Paper with {
                Training = HdrqOptions.Paper.Training with { Iterations = steps } }),
        ];
        foreach (var (name, isNoisy, options) in methods)
        {
            setting.Limit.ThrowIfCancellationRequested();
            setting.Log.Say(name);
            using var scope = torch.NewDisposeScope();
            var (expected, expectedLosses) = Merged(torch.CPU);
            var (actual, actualLosses) = Merged(setting.Device);
            if (expectedLosses.Values.Count > 0 && !isNoisy)
            {
                var (median, largest) = expectedLosses.Differences(actualLosses);
                setting.Log.Check($"{name}, losses step by step", median < 1e-2,
                    $"median {median:E1}, largest {largest:E1} from the CPU's");
            }
            else if (isNoisy)
            {
                var ratios = expectedLosses.Ratios(actualLosses);
                setting.Log.Check($"{name}, mean loss of blocks", ratios.All(ratio => ratio is > 0.8 and < 1.25),
                    $"{ratios.Min():F3} to {ratios.Max():F3} times the CPU's");
            }
            var agreement = expected.argmax(1).eq(actual.argmax(1)).to(torch.ScalarType.Float32).mean().item<float>();
            var difference = Setting.Difference(expected, actual);
            setting.Log.Check($"{name}, merged scores", difference < 0.35,
                $"{difference:E1} from the CPU's, {agreement:P0} of classes equal");

            (torch.Tensor Scores, Losses Losses) Merged(torch.Device device)
            {
                var losses = new Losses();
                using var first = Quantize(network, losses);
                using var second = Quantize(other, losses);
                using var merged = NetworkMerger.Merge([first, second], new() { AllowDifferentSources = true });
                return (merged.Forward(images).cpu(), losses);

                Network Quantize(Network original, Losses progress)
                {
                    using var here = original.To(device);
                    using var source = network.To(device);
                    return NetworkQuantizer.Quantize(here, images,
                        options with { WeightBits = 4, ActivationBits = 4, Source = source, Progress = progress },
                        seed: 1, setting.Limit);
                }
            }
        }
    }

    /// <summary>A network that another site could have made of it.</summary>
    private static Network Perturbed(Network network)
    {
        using var scope = torch.NewDisposeScope();
        var seed = 100;
        return new Network(network.Graph, network.Parameters.ToDictionary(
            pair => pair.Key,
            pair => pair.Value.dim() == 4
                ? pair.Value.mul(Setting.Random(seed++, pair.Value.shape).mul(Scalars.Keep(0.05))
                    .add(Scalars.Keep(1), Scalars.One))
                : pair.Value.clone()));
    }
}

using Microsoft.ML.Hdrq.Adaptation;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>Training with labels: losses step by step, both optimizers, with statistics fixed and updated.</summary>
internal static class Adapting
{
    public static void Run(Setting setting)
    {
        using var network = Setting.ResNet20();
        var count = setting.IsBrief ? 32 : 256;
        var images = Setting.Random(6, count, 3, 32, 32);
        var labels = torch.arange(count).remainder(torch.tensor(10L));
        foreach (var optimizer in Enum.GetValues<FineTuningOptimizer>())
        {
            foreach (var updates in new[] { false, true })
            {
                var (expected, actual) = (new Losses(), new Losses());
                var expectedScores = Train(torch.CPU, expected);
                var actualScores = Train(setting.Device, actual);
                var (median, largest) = expected.Differences(actual);
                setting.Log.Check(
                    $"{optimizer}{(updates ? ", statistics updated" : "")}",
                    median < 1e-3 && actualScores.isfinite().all().item<bool>(),
                    $"losses: median {median:E1}, largest {largest:E1}; scores {Setting.Difference(expectedScores, actualScores):E1} from the CPU's");

                torch.Tensor Train(torch.Device device, Losses losses)
                {
                    using var here = network.To(device);
                    var options = new AdaptationOptions
                    {
                        Epochs = 2,
                        BatchSize = 32,
                        Optimizer = optimizer,
                        UpdateStatistics = updates,
                        Progress = losses,
                    };
                    using var trained = FineTuning.Train(here, images, labels, options, -100, seed: 1, setting.Limit);
                    return trained.Forward(images).cpu();
                }
            }
        }
    }
}

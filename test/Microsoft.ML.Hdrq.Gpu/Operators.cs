using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>All cases of all operators, values and gradients, on the device and on the CPU.</summary>
internal static class Operators
{
    public static void Run(Setting setting)
    {
        var (passed, failed) = (0, 0);
        foreach (var parityCase in CompletenessTests.AllCases())
        {
            setting.Limit.ThrowIfCancellationRequested();
            using var scope = torch.NewDisposeScope();
            string detail;
            var isRight = false;
            try
            {
                (isRight, detail) = Compare(parityCase, setting.Device);
            }
            catch (Exception e)
            {
                detail = e.Message.Split('\n')[0];
            }
            (passed, failed) = isRight ? (passed + 1, failed) : (passed, failed + 1);
            setting.Log.Check(parityCase.ToString(), isRight, detail, isQuiet: true);
        }
        setting.Log.Say($"{passed} of {passed + failed} cases are as on the CPU");
    }

    private static (bool, string) Compare(ParityCase parityCase, torch.Device device)
    {
        using var onHost = OperatorParity.Build(parityCase);
        using var there = onHost.To(device);
        var isDifferentiated = parityCase.Differentiable && Inputs()[0].is_floating_point();
        var (expected, expectedGradient) = Compute(onHost);
        var (actual, actualGradient) = Compute(there);
        double largest = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            if (expected[i].dtype != actual[i].dtype || !expected[i].shape.SequenceEqual(actual[i].shape))
                return (false, $"output {i} has {actual[i].dtype} instead of {expected[i].dtype}");
            largest = Math.Max(largest, Setting.Difference(expected[i], actual[i]));
        }
        var gradient = expectedGradient is null ? 0 : Setting.Difference(expectedGradient, actualGradient!);
        // Half precision and exponentials are rounded differently; anything wrong is far beyond.
        var tolerance = Math.Max(1e-4, 10 * parityCase.Tolerance);
        return (largest <= tolerance && gradient <= tolerance, $"values {largest:E1}, gradient {gradient:E1}");

        torch.Tensor[] Inputs() =>
            [.. onHost.Graph.Inputs.Select(input => parityCase.Inputs[int.Parse(input.Name[1..], null)]!.Data.ToTorch())];

        (torch.Tensor[], torch.Tensor?) Compute(Network network)
        {
            var values = network.Run(Inputs(), ForwardMode.Inference);
            if (!isDifferentiated || !values[0].is_floating_point())
                return (values, null);
            var inputs = Array.ConvertAll(Inputs(), input => input.to(network.Device));
            inputs[0].requires_grad_();
            var output = network.Run(inputs, ForwardMode.Gradient)[0];
            output.mul(Setting.Random(3, output.shape).to(output.device).to_type(output.dtype)).sum().backward();
            return (values, inputs[0].grad);
        }
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Adam by Torch's own operations, on any device.</summary>
internal sealed class TorchBlockOptimizer : BlockOptimizer
{
    private readonly Learned _learned;
    private readonly List<(double Coefficient, List<(Parameter Weight, torch.Tensor Reference)> Layers)> _terms;
    private readonly AdamOptimizer _weights;
    private readonly AdamOptimizer _activationScales;

    public TorchBlockOptimizer(Learned learned)
    {
        _learned = learned;
        _terms =
        [
            .. learned.Distances
                .GroupBy(distance => distance.Coefficient)
                .Select(group => (
                    group.Key,
                    group.Select(distance => (distance.Weight, distance.Reference)).ToList())),
        ];
        _weights = new([.. learned.Weights, .. learned.WeightScales]);
        _activationScales = new(learned.ActivationScales);
    }

    public override void ZeroGradients()
    {
        _weights.ZeroGradients();
        _activationScales.ZeroGradients();
    }

    public override torch.Tensor AddDistances(torch.Tensor loss)
    {
        foreach (var (coefficient, layers) in _terms)
            loss = loss.add(WeightDistance.Sum(layers).mul(Scalars.Keep(coefficient)), Scalars.One);
        return loss;
    }

    public override void Step(double weightRate, double activationScaleRate)
    {
        _weights.Step(weightRate);
        _activationScales.Step(activationScaleRate);
        using var noGradients = torch.no_grad();
        foreach (var scale in _learned.Scales)
            scale.abs_().clamp_(min: Scalars.Keep(RangeObserver.MinScale));
    }

    public override void Dispose()
    {
        _weights.Dispose();
        _activationScales.Dispose();
    }
}

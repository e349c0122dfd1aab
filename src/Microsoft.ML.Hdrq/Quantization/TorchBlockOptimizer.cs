using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Adam by Torch's own operations, on any device.</summary>
internal class TorchBlockOptimizer : BlockOptimizer
{
    private readonly Learned _learned;
    private readonly List<(double Coefficient, List<Distance> Distances)> _terms;
    private readonly AdamOptimizer _weights;
    private readonly AdamOptimizer _activationScales;

    public TorchBlockOptimizer(Learned learned)
    {
        _learned = learned;
        _terms =
        [
            .. learned.Distances
                .GroupBy(distance => distance.Coefficient)
                .Select(group => (group.Key, group.ToList())),
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
        foreach (var (coefficient, distances) in _terms)
            loss = loss.add(WeightDistance.Sum(distances.Select(Norm)).mul(Scalars.Keep(coefficient)), Scalars.One);
        return loss;
    }

    /// <summary>The norm of a distance, [1 value].</summary>
    protected virtual torch.Tensor Norm(Distance distance) => WeightDistance.Norm(distance.Weight, distance.Reference);

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

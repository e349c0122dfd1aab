using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Torch's own Adam, on any device.</summary>
internal sealed class TorchBlockOptimizer : BlockOptimizer
{
    private readonly Learned _learned;
    private readonly List<(double Coefficient, List<(Parameter Weight, torch.Tensor Reference)> Layers)> _terms;
    private readonly Adam? _weights;
    private readonly Adam? _activationScales;

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
        _weights = Optimizer([.. learned.Weights, .. learned.WeightScales]);
        _activationScales = Optimizer(learned.ActivationScales);

        static Adam? Optimizer(IReadOnlyList<Parameter> parameters) =>
            parameters.Count > 0 ? torch.optim.Adam(parameters) : null;
    }

    public override void ZeroGradients()
    {
        _weights?.zero_grad();
        _activationScales?.zero_grad();
    }

    public override torch.Tensor AddDistances(torch.Tensor loss)
    {
        foreach (var (coefficient, layers) in _terms)
            loss = loss.add(WeightDistance.Sum(layers).mul(Scalars.Keep(coefficient)), Scalars.One);
        return loss;
    }

    public override void Step(double weightRate, double activationScaleRate)
    {
        Step(_weights, weightRate);
        Step(_activationScales, activationScaleRate);
        using var noGradients = torch.no_grad();
        foreach (var scale in _learned.Scales)
            scale.abs_().clamp_(min: Scalars.Keep(RangeObserver.MinScale));

        static void Step(Adam? optimizer, double rate)
        {
            foreach (var group in optimizer?.ParamGroups ?? [])
                group.LearningRate = rate;
            optimizer?.step();
        }
    }

    public override void Dispose()
    {
        _weights?.Dispose();
        _activationScales?.Dispose();
    }
}

using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// AdaRound: learns for each element of one weight whether it is rounded down or up (Nagel et al., "Up or Down?
/// Adaptive Rounding for Post-Training Quantization", ICML 2020). During training, a weight is
/// <c>s clamp(floor(w / s) + h(V))</c> with <c>h(V) = clamp(1.2 sigmoid(V) - 0.1, 0, 1)</c>; at the end, the sign of V
/// decides. The weight and its scale do not change.
/// </summary>
internal sealed class AdaptiveRounding : RoundingScheme, IDisposable
{
    /// <summary>The learning rate of rounding directions, as in the authors' code.</summary>
    public const double LearningRate = 1e-3;

    /// <summary>The weight of <see cref="Regularizer"/> in the loss, as in the authors' code.</summary>
    public const double RegularizerWeight = 1e-2;

    private const double Stretch = 1.2;
    private const double Offset = 0.1;

    private readonly torch.Tensor _floor;

    /// <summary>Initializes the directions so that the soft weight equals the weight.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="scale">Its scale, broadcastable to the weight's shape.</param>
    public AdaptiveRounding(torch.Tensor weight, torch.Tensor scale)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var steps = weight.div(scale);
        var floor = steps.floor();
        Direction = new Parameter(Start(steps.sub(floor)).DetachFromDisposeScope());
        _floor = floor.DetachFromDisposeScope();
    }

    /// <summary>The learned directions V.</summary>
    public Parameter Direction { get; }

    /// <summary>Computes <c>h(V)</c>, from 0 (down) to 1 (up).</summary>
    public static torch.Tensor Rectified(torch.Tensor direction) => direction
        .sigmoid()
        .mul(Scalars.Keep(Stretch))
        .sub(Scalars.Keep(Offset))
        .clamp(Scalars.Keep(0), Scalars.Keep(1));

    /// <summary>Computes the V whose h is the given fraction, from 0 to below 1.</summary>
    public static torch.Tensor Start(torch.Tensor fraction) => fraction
        .add(Scalars.Keep(Offset), Scalars.One)
        .reciprocal()
        .mul(Scalars.Keep(Stretch))
        .sub(Scalars.Keep(1))
        .log()
        .neg();

    /// <summary>Computes the term that drives every h to 0 or 1: <c>sum (1 - |2 h - 1|^beta)</c>.</summary>
    public static torch.Tensor Regularizer(torch.Tensor direction, double beta) => Rectified(direction)
        .mul(Scalars.Keep(2))
        .sub(Scalars.Keep(1))
        .abs()
        .pow(Scalars.Keep(beta))
        .neg()
        .add(Scalars.Keep(1), Scalars.One)
        .sum();

    /// <summary>
    /// The regularizer's exponent in a step: 20 until the warm-up is over, then falling linearly to 2.
    /// </summary>
    /// <param name="iteration">The step.</param>
    /// <param name="iterations">The number of steps.</param>
    /// <param name="warmUp">The share of the steps before the exponent falls.</param>
    public static double Exponent(int iteration, int iterations, double warmUp)
    {
        const double first = 20;
        const double last = 2;
        var start = warmUp * iterations;
        return iteration < start
            ? first
            : last + (first - last) * Math.Max(0, 1 - (iteration - start) / (iterations - start));
    }

    /// <summary>Rounds the weight to points of the grid by the sign of the directions.</summary>
    public torch.Tensor Rounded(torch.Tensor scale, QuantizationRange range) => _floor
        .add(Direction.ge(Scalars.Keep(0)).to_type(_floor.dtype), Scalars.One)
        .clamp(Scalars.Keep(range.Minimum), Scalars.Keep(range.Maximum))
        .mul(scale);

    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range) => _floor
        .add(Rectified(Direction), Scalars.One)
        .clamp(Scalars.Keep(range.Minimum), Scalars.Keep(range.Maximum))
        .mul(scale);

    public void Dispose()
    {
        Direction.Dispose();
        _floor.Dispose();
    }
}

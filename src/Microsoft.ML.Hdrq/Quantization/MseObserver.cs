using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Of 100 candidates <c>i / 100 max|x|</c> the one whose quantizer has the least mean <c>|Q(x) - x|^2.4</c>; over several batches the largest choice.
/// </summary>
internal class MseObserver : RangeObserver
{
    private const int Candidates = 100;
    private const double Power = 2.4;

    protected override torch.Tensor Choose(torch.Tensor values, QuantizationRange range)
    {
        var limit = values.abs().amax([1], keepdim: true);
        var best = limit.clone();
        var bestError = torch.full_like(limit, double.PositiveInfinity);
        for (var i = 1; i <= Candidates; i++)
        {
            using var scope = torch.NewDisposeScope();
            var candidate = limit.mul(i / (double)Candidates);
            var scale = candidate.mul(range.ScaleFor(1)).clamp_(min: LeastScale);
            var error = NearestRounding.Instance.Apply(values, scale, range).sub_(values).abs_().pow_(Power).mean([1], keepdim: true);
            var isBetter = error.lt(bestError);
            best.copy_(torch.where(isBetter, candidate, best));
            bestError.copy_(torch.where(isBetter, error, bestError));
        }
        return best.squeeze(1);
    }
}

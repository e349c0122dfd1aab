using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Observes values and chooses the largest absolute value that a quantizer represents, for a whole tensor or for each
/// output channel of a weight.
/// </summary>
internal abstract class RangeObserver
{
    /// <summary>
    /// The minimum scale, which keeps scales positive: the distance from 1 to the next larger float in single
    /// precision.
    /// </summary>
    public const float MinScale = 1.1920929e-7f;

    private TensorData? _largest;
    private QuantizationRange _range;
    private int _batches;

    /// <summary>Observes a batch.</summary>
    /// <param name="values">
    /// The values, a row for each range: [1, n] for a whole tensor, [channels, n] for a per-channel weight.
    /// </param>
    /// <param name="range">The integer range, the same for every batch.</param>
    public void Observe(torch.Tensor values, QuantizationRange range)
    {
        using var scope = torch.NewDisposeScope();
        var chosen = Choose(values, range);
        _range = range;
        var combined = _largest is null ? chosen : Combine(_largest.ToTorch(), chosen.cpu(), _batches);
        _largest = TensorData.FromTorch(combined);
        _batches++;
    }

    /// <summary>Computes the scale for each row of the observed values, positive, in host memory.</summary>
    /// <exception cref="InvalidOperationException">Nothing was observed.</exception>
    public torch.Tensor Scale() => _largest is null
        ? throw new InvalidOperationException("No values were observed.")
        : _largest
            .ToTorch()
            .mul_(Scalars.Keep((float)_range.ScaleFor(1)))
            .clamp_(min: Scalars.Keep(MinScale));

    /// <summary>Chooses the largest value to represent for one batch, for each row.</summary>
    protected abstract torch.Tensor Choose(torch.Tensor values, QuantizationRange range);

    /// <summary>Combines the choices of several batches; by default, takes the larger.</summary>
    protected virtual torch.Tensor Combine(torch.Tensor earlier, torch.Tensor later, int earlierBatches) =>
        torch.maximum(earlier, later);
}

using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Watches values and chooses the largest absolute value that a quantizer represents, for a whole tensor or for each output channel of a weight.</summary>
internal abstract class RangeObserver
{
    /// <summary>Scales stay positive: at least the distance from 1 to the next number in single precision.</summary>
    public const float LeastScale = 1.1920929e-7f;

    /// <summary>Chooses the largest value to represent of one batch.</summary>
    /// <param name="values">The values, a row for each range: [1, n] for a whole tensor, [channels, n] for a weight by channel.</param>
    /// <param name="range">The integers.</param>
    /// <returns>A value for each row, in single precision.</returns>
    public abstract torch.Tensor Choose(torch.Tensor values, QuantizationRange range);

    /// <summary>Brings the choices of two batches together; the larger unless the observer says otherwise.</summary>
    protected virtual torch.Tensor Combine(torch.Tensor earlier, torch.Tensor later, int earlierBatches) => torch.maximum(earlier, later);

    /// <summary>The scales for batches of values.</summary>
    /// <param name="batches">The batches, a row for each range.</param>
    /// <param name="range">The integers.</param>
    /// <returns>A scale for each row, positive.</returns>
    public torch.Tensor Scales(IEnumerable<torch.Tensor> batches, QuantizationRange range)
    {
        torch.Tensor? largest = null;
        var count = 0;
        foreach (var batch in batches)
        {
            var chosen = Choose(batch, range);
            largest = largest is null ? chosen : Combine(largest, chosen, count);
            count++;
        }
        return largest is null
            ? throw new ArgumentException("There are no values to observe.", nameof(batches))
            : largest.mul((float)range.ScaleFor(1)).clamp_(min: LeastScale);
    }
}

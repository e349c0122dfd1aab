using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Watches values and chooses the largest absolute value that a quantizer represents, for a whole tensor or for each output channel of a weight.</summary>
internal abstract class RangeObserver
{
    /// <summary>Scales stay positive: at least the distance from 1 to the next number in single precision.</summary>
    public const float LeastScale = 1.1920929e-7f;

    private TensorData? _largest;
    private QuantizationRange _range;
    private int _batches;

    /// <summary>Looks at a batch.</summary>
    /// <param name="values">The values, a row for each range: [1, n] for a whole tensor, [channels, n] for a weight by channel.</param>
    /// <param name="range">The integers; the same for every batch.</param>
    public void Observe(torch.Tensor values, QuantizationRange range)
    {
        using var scope = torch.NewDisposeScope();
        var chosen = Choose(values, range);
        _range = range;
        _largest = TensorData.FromTorch(_largest is null ? chosen : Combine(_largest.ToTorch(), chosen.cpu(), _batches));
        _batches++;
    }

    /// <summary>The scale for each row of what was observed, positive, in host memory.</summary>
    /// <exception cref="InvalidOperationException">Nothing was observed.</exception>
    public torch.Tensor Scale() => _largest is null
        ? throw new InvalidOperationException("No values were observed.")
        : _largest.ToTorch().mul_(Scalars.Keep((float)_range.ScaleFor(1))).clamp_(min: Scalars.Keep(LeastScale));

    /// <summary>The largest value to represent of one batch, for each row.</summary>
    protected abstract torch.Tensor Choose(torch.Tensor values, QuantizationRange range);

    /// <summary>Brings the choices of several batches together; the larger unless the observer says otherwise.</summary>
    protected virtual torch.Tensor Combine(torch.Tensor earlier, torch.Tensor later, int earlierBatches) => torch.maximum(earlier, later);
}

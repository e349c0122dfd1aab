using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Accumulates a whole Gram matrix <c>E [x; 1][x; 1]^T</c>, in double precision.</summary>
internal sealed class GramSum : IGramSum
{
    private readonly string _layer;
    private readonly torch.Tensor _products;
    private readonly torch.Tensor _sum;
    private long _count;

    /// <param name="layer">The layer's name.</param>
    /// <param name="size">The number of its inputs.</param>
    /// <param name="device">The device that holds the sums.</param>
    /// <param name="scope">The scope that owns them.</param>
    public GramSum(string layer, long size, torch.Device device, DisposeScope scope)
    {
        _layer = layer;
        _products = torch.zeros([size, size], torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
        _sum = torch.zeros([size], torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
    }

    public void Add(torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        rows = rows.to(torch.ScalarType.Float64);
        _products.add_(rows.t().mm(rows), Scalars.One);
        _sum.add_(rows.sum(dim: 0), Scalars.One);
        _count += rows.shape[0];
    }

    public string Encode()
    {
        using var scope = torch.NewDisposeScope();
        CheckFinite(_layer, _products);
        var count = Scalars.Keep((double)_count);
        var mean = _sum.div(count).cpu();
        return InputGram.Whole(mean, _products.div(count).cpu().sub(mean.outer(mean))).EncodeWhole();
    }

    /// <summary>Looks whether sums of squares are numbers: values in single precision have a largest one.</summary>
    /// <param name="layer">The layer's name.</param>
    /// <param name="sums">The sums.</param>
    /// <exception cref="InvalidOperationException">They are not.</exception>
    public static void CheckFinite(string layer, params ReadOnlySpan<torch.Tensor> sums)
    {
        foreach (var sum in sums)
        {
            if (!FiniteCheck.IsFinite(sum))
            {
                throw new InvalidOperationException(
                    $"The inputs of layer '{layer}' are not finite, or too large for their Gram matrix. Is the "
                    + $"normalization right? With {nameof(SentMoments)}.{nameof(SentMoments.Nothing)} none is "
                    + "computed.");
            }
        }
    }
}

using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Accumulates a sketch of a covariance C without computing the matrix itself: <c>Y = C Q</c> for a few directions Q,
/// its diagonal, and the mean. Sums are of differences from the mean of the sketch before it, so that they stay exact
/// where the mean is large.
/// </summary>
internal sealed class GramSketch : IGramSum
{
    /// <summary>
    /// How many times as many random directions there are, from which the largest are found, as are kept (Halko,
    /// Martinsson and Tropp, "Finding Structure with Randomness", 2011).
    /// </summary>
    private const int Oversampling = 4;

    /// <summary>The smallest eigenvalue that counts, relative to the largest.</summary>
    private const double MinEigenvalue = 1e-6;

    private readonly string _layer;
    private readonly int _rank;
    private readonly torch.Tensor _directions;
    private readonly torch.Tensor _product;
    private readonly torch.Tensor _diagonal;
    private readonly torch.Tensor _sum;
    private readonly torch.Tensor _origin;
    private long _count;

    /// <param name="layer">The layer's name.</param>
    /// <param name="size">The number of its inputs.</param>
    /// <param name="device">The device that holds the sums.</param>
    /// <param name="scope">The scope that owns them.</param>
    /// <param name="rank">The number of directions that are kept.</param>
    public GramSketch(string layer, long size, torch.Device device, DisposeScope scope, int rank)
    {
        (_layer, _rank) = (layer, rank);
        var sketchSize = (long)Oversampling * rank;
        using var generator = new torch.Generator((ulong)size);
        // All directions, where there are no more of them than the sketch has.
        var directions = size <= sketchSize
            ? torch.eye(size, dtype: torch.ScalarType.Float64)
            : torch.randn([size, sketchSize], torch.ScalarType.Float64, generator: generator);
        _directions = directions.to(torch.ScalarType.Float32).to(device).MoveToOtherDisposeScope(scope);
        _product = torch.zeros(_directions.shape, torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
        _diagonal = torch.zeros([size], torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
        _sum = torch.zeros_like(_diagonal).MoveToOtherDisposeScope(scope);
        _origin = torch.zeros([size], torch.ScalarType.Float32, device).MoveToOtherDisposeScope(scope);
    }

    /// <summary>Starts again, with the directions that the sums so far point to.</summary>
    public void Sharpen()
    {
        using var scope = torch.NewDisposeScope();
        var (mean, product, _) = Moments();
        var (orthogonal, _) = torch.linalg.qr(product);
        _directions.copy_(orthogonal.to(torch.ScalarType.Float32));
        _origin.add_(mean.to(torch.ScalarType.Float32), Scalars.One);
        foreach (var sum in new[] { _product, _diagonal, _sum })
            sum.zero_();
        _count = 0;
    }

    public void Add(torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        rows = rows.sub(_origin);
        _product.add_(rows.t().mm(rows.mm(_directions)), Scalars.One);
        _diagonal.add_(rows.Squared().sum(dim: 0), Scalars.One);
        _sum.add_(rows.sum(dim: 0), Scalars.One);
        _count += rows.shape[0];
    }

    /// <summary>
    /// Encodes Nystrom's approximation <c>Y (Q^T Y)^-1 Y^T</c> as text; only its largest directions are kept.
    /// </summary>
    public string Encode()
    {
        using var scope = torch.NewDisposeScope();
        var (mean, product, variances) = Moments();
        var directions = _directions.to(torch.ScalarType.Float64).cpu();
        product = product.cpu();
        var core = directions.t().mm(product);
        var (values, vectors) = torch.linalg.eigh(core.add(core.t(), Scalars.One).div(Scalars.Keep(2)));
        // Eigenvalues near 0 are rounding errors of single precision.
        var inverse = torch.where(
            values.gt(values.max().mul(Scalars.Keep(MinEigenvalue))), values.rsqrt(), torch.zeros_like(values));
        var factor = product.mm(vectors.mul(inverse));
        var (left, singular, _) = torch.linalg.svd(factor, fullMatrices: false);
        var kept = Math.Min(_rank, singular.shape[0]);
        return InputGram.Of(
            mean.add(_origin, Scalars.One).cpu(), variances.cpu(),
            left.narrow(1, 0, kept).mul(singular.narrow(0, 0, kept))).Encode();
    }

    /// <summary>The mean, from the origin, and the covariance's product with the directions and diagonal.</summary>
    private (torch.Tensor Mean, torch.Tensor Product, torch.Tensor Variances) Moments()
    {
        GramSum.CheckFinite(_layer, _product, _diagonal);
        var count = Scalars.Keep(_count);
        var mean = _sum.div(count);
        var along = mean.unsqueeze(0).mm(_directions.to(torch.ScalarType.Float64));
        return (
            mean,
            _product.div(count).sub(mean.unsqueeze(1).mul(along)),
            _diagonal.div(count).sub(mean.Squared()).clamp_min(Scalars.Keep(0.0)));
    }
}

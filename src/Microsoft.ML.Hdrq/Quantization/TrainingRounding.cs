using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// What a quantizer does in a reconstruction's step: noise or rounding; for activations also QDrop's mixing and a smaller gradient of the scale. In host memory in a pass
/// of its own, elsewhere by the schemes that it is made of.
/// </summary>
internal sealed class TrainingRounding : RoundingScheme
{
    private readonly RandomPool _pool;
    private readonly Workspace _workspace;
    private readonly float[]? _table;
    private readonly bool _isMixed;
    private readonly bool _isActivation;
    private readonly RoundingScheme _composed;

    /// <summary>Makes a scheme.</summary>
    /// <param name="pool">The source of randomness.</param>
    /// <param name="workspace">Memory for the results of a step.</param>
    /// <param name="isNoisy">Noise or rounding to nearest.</param>
    /// <param name="isMixed">Whether each element is left as it is with the pool's probability.</param>
    /// <param name="isActivation">Whether the scale's gradient is made smaller.</param>
    public TrainingRounding(RandomPool pool, Workspace workspace, bool isNoisy, bool isMixed, bool isActivation)
    {
        (_pool, _workspace, _isMixed, _isActivation) = (pool, workspace, isMixed, isActivation);
        _table = isNoisy ? new float[NoiseRounding.TableSize] : null;
        _composed = isNoisy ? new NoiseRounding(pool) : NearestRounding.Instance;
        if (isActivation)
            _composed = new ScaledGradientRounding(_composed);
        if (isMixed)
            _composed = new MixedRounding(_composed, pool);
    }

    internal override torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
    {
        if (!FusedRounding.CanApply(values, scale))
            return _composed.Apply(values, scale, range);
        if (_table is not null)
            NoiseRounding.Fill(_table, values, scale, range, _pool);
        var draws = _table is not null || _isMixed ? _pool.Draws(values.numel()) : null;
        return FusedRounding.Apply(values, scale, new(range, _isActivation ? ScaledGradientRounding.Factor(values, range) : 1, _table, draws, _isMixed, _workspace));
    }
}

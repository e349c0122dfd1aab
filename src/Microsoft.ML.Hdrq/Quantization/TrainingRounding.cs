using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Quantizes in the steps of a reconstruction, with noise or rounding; for activations also with QDrop's mixing and a
/// reduced gradient of the scale. In host memory and on NVIDIA GPUs this is one pass; elsewhere the
/// schemes are composed.
/// </summary>
internal sealed class TrainingRounding : RoundingScheme
{
    private readonly RandomPool _pool;
    private readonly Workspace _workspace;
    private readonly bool _isNoisy;
    private readonly bool _isMixed;
    private readonly bool _isActivation;
    private readonly RoundingScheme _composed;

    /// <summary>Creates a scheme.</summary>
    /// <param name="pool">The source of randomness.</param>
    /// <param name="workspace">Memory for the results of a step.</param>
    /// <param name="isNoisy">Whether to use noise instead of rounding to nearest.</param>
    /// <param name="isMixed">
    /// Whether each element is quantized with the pool's probability and otherwise left as it is.
    /// </param>
    /// <param name="isActivation">Whether the scale's gradient is reduced.</param>
    public TrainingRounding(RandomPool pool, Workspace workspace, bool isNoisy, bool isMixed, bool isActivation)
    {
        (_pool, _workspace, _isNoisy) = (pool, workspace, isNoisy);
        (_isMixed, _isActivation) = (isMixed, isActivation);
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
        var table = _isNoisy ? Table(values, scale, range) : null;
        var draws = _isNoisy || _isMixed ? _pool.Draws(values.numel()) : null;
        var factor = _isActivation ? ScaledGradientRounding.Factor(values, range) : 1;
        return FusedRounding.Apply(values, scale, new(range, factor, table, draws, _isMixed, _workspace));
    }

    private torch.Tensor Table(torch.Tensor values, torch.Tensor scale, QuantizationRange range)
    {
        using var noGradients = torch.no_grad();
        if (values.device_type != DeviceType.CPU)
            return CudaRounding.Table(values, scale, range, _pool);
        var table = _workspace.Rent([NoiseRounding.TableSize]);
        NoiseRounding.Fill(MemoryMarshal.Cast<byte, float>(table.bytes), values, scale, range, _pool);
        return table;
    }
}

using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Accumulates mean and variance of the channels (dimension 1) of values that come in batches.</summary>
internal sealed class ChannelStatistics
{
    private readonly torch.Tensor _sum;
    private readonly torch.Tensor _squares;
    private double _count;

    /// <summary>Starts without values.</summary>
    /// <param name="channels">The number of channels.</param>
    /// <param name="device">The device of the values.</param>
    /// <param name="scope">The scope in which the sums live.</param>
    public ChannelStatistics(long channels, torch.Device device, DisposeScope scope)
    {
        _sum = torch.zeros([channels], torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
        _squares = torch.zeros([channels], torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
    }

    /// <summary>The mean of each channel, in double precision.</summary>
    public torch.Tensor Mean => _sum.div(Scalars.Keep(_count));

    /// <summary>The variance of each channel, that of all values so far and not an estimate for more of them.</summary>
    public torch.Tensor Variance =>
        _squares.div(Scalars.Keep(_count)).sub(Mean.Squared()).clamp_min(Scalars.Keep(0.0));

    /// <summary>Adds values, [images, channels, ...].</summary>
    public void Add(torch.Tensor value)
    {
        using var scope = torch.NewDisposeScope();
        var channels = value.detach().transpose(0, 1).flatten(1);
        _sum.add_(channels.sum(1, type: torch.ScalarType.Float64), Scalars.One);
        _squares.add_(channels.to(torch.ScalarType.Float64).Squared().sum(1), Scalars.One);
        _count += channels.shape[1];
    }
}

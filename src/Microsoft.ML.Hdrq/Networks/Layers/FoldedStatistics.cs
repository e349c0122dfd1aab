using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Follows mean and variance of layers' outputs while what comes after the layers is folded into them: a normalization
/// knows those of its input, and so of its output.
/// </summary>
/// <param name="network">The network before anything is folded.</param>
internal sealed class FoldedStatistics(Network network)
{
    private readonly Dictionary<string, (torch.Tensor Mean, torch.Tensor Variance)> _outputs =
        new(StringComparer.Ordinal);

    /// <summary>The network's metadata with what is known of the outputs.</summary>
    public ImmutableSortedDictionary<string, string> Metadata =>
        _outputs.Aggregate(network.Metadata, (metadata, output) =>
            OutputStatistics.Write(metadata, output.Key, output.Value.Mean, output.Value.Variance));

    /// <summary>A node is folded that makes <c>(y - offset) factor + shift</c> of a layer's output y.</summary>
    /// <param name="weight">The name of the layer's weight.</param>
    /// <param name="folded">Its name afterwards.</param>
    /// <param name="variance">
    /// The variance of y where the node is a normalization, whose offset is the mean; null where it is not.
    /// </param>
    /// <param name="offset">What is taken away from each channel.</param>
    /// <param name="factor">The factor of each channel.</param>
    /// <param name="shift">What is added to each channel.</param>
    public void Fold(
        string weight, string folded, torch.Tensor? variance, torch.Tensor offset, torch.Tensor factor,
        torch.Tensor shift)
    {
        var known = variance is not null ? (offset, variance) : Known(weight, factor);
        if (known is var (mean, spread))
        {
            _outputs[folded] =
                (mean.sub(offset).mul(factor).add(shift, Scalars.One), spread.mul(factor).mul(factor));
        }
    }

    private (torch.Tensor Mean, torch.Tensor Variance)? Known(string weight, torch.Tensor factor) =>
        _outputs.TryGetValue(weight, out var output) ? output
        : OutputStatistics.Read(network.Metadata, weight, factor.numel()) is var (mean, variance)
            ? (torch.tensor(mean, device: factor.device), torch.tensor(variance, device: factor.device))
            : null;
}

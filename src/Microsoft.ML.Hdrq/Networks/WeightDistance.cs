using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>How far weights are from another network's, as the losses of HDRQ and of fine-tuning have it.</summary>
internal static class WeightDistance
{
    /// <summary>The sum of the Frobenius norms of the differences.</summary>
    /// <param name="weights">The weights, at least one, each with the other network's.</param>
    public static torch.Tensor Sum(IEnumerable<(Parameter Weight, torch.Tensor Other)> weights) =>
        Sum(weights.Select(pair => Norm(pair.Weight, pair.Other)));

    /// <summary>The sum of norms, at least one.</summary>
    public static torch.Tensor Sum(IEnumerable<torch.Tensor> norms) =>
        norms.Aggregate((sum, norm) => sum.add(norm, Scalars.One));

    /// <summary>The Frobenius norm of the difference of a weight and another network's.</summary>
    public static torch.Tensor Norm(torch.Tensor weight, torch.Tensor other) => weight.sub(other).norm();
}

using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Updates what a block learns by Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015), and adds
/// the distances that keep weights near other weights to the loss.
/// </summary>
internal abstract class BlockOptimizer : IDisposable
{
    /// <summary>A weight that is to stay near another weight.</summary>
    /// <param name="Weight">The learned weight.</param>
    /// <param name="Reference">The other weight, of the same shape.</param>
    /// <param name="Coefficient">The factor on the Frobenius norm of their difference, positive.</param>
    public readonly record struct Distance(Parameter Weight, torch.Tensor Reference, double Coefficient);

    /// <summary>What a block learns.</summary>
    /// <param name="Weights">Weights, biases or rounding directions.</param>
    /// <param name="WeightScales">The scales of weights, learned at the same rate; they stay positive.</param>
    /// <param name="ActivationScales">The scales of activations, learned at their own rate; they stay positive.</param>
    /// <param name="Distances">The distances.</param>
    public sealed record Learned(
        IReadOnlyList<Parameter> Weights, IReadOnlyList<Parameter> WeightScales,
        IReadOnlyList<Parameter> ActivationScales, IReadOnlyList<Distance> Distances)
    {
        /// <summary>All parameters.</summary>
        public IEnumerable<Parameter> All => Weights.Concat(WeightScales).Concat(ActivationScales);

        /// <summary>All scales.</summary>
        public IEnumerable<Parameter> Scales => WeightScales.Concat(ActivationScales);
    }

    /// <summary>Creates the optimizer for the device of the parameters.</summary>
    public static BlockOptimizer Create(Learned learned)
    {
        var tensors = learned.All.Concat(learned.Distances.Select(distance => distance.Reference)).ToList();
        return tensors.Count > 0 && CudaKernels.For(tensors[0]) is { } kernels && tensors.All(CudaRounding.Holds)
            ? new CudaBlockOptimizer(learned, kernels)
            : tensors.All(HostMemory.Holds) ? new HostBlockOptimizer(learned) : new TorchBlockOptimizer(learned);
    }

    /// <summary>Forgets the gradients of the step before.</summary>
    public abstract void ZeroGradients();

    /// <summary>
    /// Adds the distances to a loss, [1 value]. Their gradients come with the loss's or are added in <see cref="Step"/>.
    /// </summary>
    public abstract torch.Tensor AddDistances(torch.Tensor loss);

    /// <summary>Updates all parameters by their gradients.</summary>
    /// <param name="weightRate">The learning rate of weights and their scales.</param>
    /// <param name="activationScaleRate">The learning rate of the scales of activations.</param>
    public abstract void Step(double weightRate, double activationScaleRate);

    public abstract void Dispose();
}

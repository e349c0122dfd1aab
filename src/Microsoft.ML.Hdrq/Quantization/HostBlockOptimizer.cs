using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Adam in host memory, with the gradients of the distances computed in one pass over each weight, where Torch needs
/// six. The numbers are Torch's, to the last bit.
/// </summary>
internal sealed unsafe class HostBlockOptimizer(BlockOptimizer.Learned learned) : TorchBlockOptimizer(learned)
{
    private readonly List<(Distance Distance, torch.Tensor Norm)> _norms = [];

    public override torch.Tensor AddDistances(torch.Tensor loss)
    {
        _norms.Clear();
        return base.AddDistances(loss);
    }

    public override void Step(double weightRate, double activationScaleRate)
    {
        // Tensors themselves are equal where their elements are, which would be read.
        foreach (var distances in _norms.GroupBy<(Distance Distance, torch.Tensor Norm), object>(
            entry => entry.Distance.Weight, ReferenceEqualityComparer.Instance))
        {
            AddGradients([.. distances]);
        }
        base.Step(weightRate, activationScaleRate);
    }

    /// <summary>A constant for Torch: the step adds its gradient.</summary>
    protected override torch.Tensor Norm(Distance distance)
    {
        using var noGradients = torch.no_grad();
        var norm = base.Norm(distance);
        _norms.Add((distance, norm));
        return norm;
    }

    /// <summary>Adds the gradients of a weight's distances: the difference, divided by its norm.</summary>
    private static void AddGradients(List<(Distance Distance, torch.Tensor Norm)> distances)
    {
        var weight = distances[0].Distance.Weight;
        Pull[] pulls =
        [
            .. from entry in distances
               let norm = entry.Norm.item<float>()
               // The norm has no gradient at 0; Torch takes 0.
               where norm != 0
               select new Pull(
                   HostMemory.Pointer<float>(entry.Distance.Reference), norm, (float)entry.Distance.Coefficient),
        ];
        using var scope = torch.NewDisposeScope();
        if (weight.grad is not { } gradient)
            weight.grad = gradient = torch.zeros_like(weight, requires_grad: false);
        else if (!gradient.is_contiguous())
            weight.grad = gradient = gradient.contiguous();
        var weights = HostMemory.Pointer<float>(weight);
        var gradients = HostMemory.Pointer<float>(gradient);
        var count = weight.numel();
        HostMemory.ForPieces(count, count, (start, length, _) =>
            AddGradients(weights, gradients, pulls, start, start + length));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddGradients(float* weights, float* gradients, Pull[] pulls, long start, long end)
    {
        var i = start;
        for (; i <= end - Vector<float>.Count; i += Vector<float>.Count)
        {
            var (weight, sum) = (Vector.Load(weights + i), Vector<float>.Zero);
            foreach (var pull in pulls)
            {
                var difference = weight - Vector.Load(pull.Reference + i);
                sum += difference / new Vector<float>(pull.Norm) * pull.Coefficient;
            }
            (Vector.Load(gradients + i) + sum).Store(gradients + i);
        }
        for (; i < end; i++)
        {
            var sum = 0f;
            foreach (var pull in pulls)
                sum += (weights[i] - pull.Reference[i]) / pull.Norm * pull.Coefficient;
            gradients[i] += sum;
        }
    }

    /// <summary>A distance in memory.</summary>
    private readonly struct Pull(float* reference, float norm, float coefficient)
    {
        public readonly float* Reference = reference;
        public readonly float Norm = norm;
        public readonly float Coefficient = coefficient;
    }
}

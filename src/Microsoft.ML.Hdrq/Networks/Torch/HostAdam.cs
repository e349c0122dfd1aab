using System.Numerics;
using System.Runtime.CompilerServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// A step of Adam in two passes over host memory, with Torch's root between them, whose last bit is that of its own
/// library. As operations of Torch alone they are nine passes and as many calls, which for the weights of a small layer
/// take as long as its convolution. Every element is rounded as by these operations, on CPUs that add a product without
/// rounding it first (FMA).
/// </summary>
internal static unsafe class HostAdam
{
    /// <summary>The numbers of a step, in single precision as Torch's operations take them.</summary>
    /// <param name="MeanKept">What is kept of the mean gradient.</param>
    /// <param name="MeanAdded">The factor of the gradient in its mean.</param>
    /// <param name="SquareKept">What is kept of the mean squared gradient.</param>
    /// <param name="SquareAdded">The factor of the squared gradient in its mean.</param>
    /// <param name="RootDivisor">The divisor of the root of the mean square.</param>
    /// <param name="Epsilon">What is then added to the root.</param>
    /// <param name="Rate">The corrected learning rate, negative.</param>
    /// <param name="WeightKept">What is kept of the weight before it is changed.</param>
    public readonly record struct Numbers(
        float MeanKept, float MeanAdded, float SquareKept, float SquareAdded, float RootDivisor, float Epsilon,
        float Rate, float WeightKept);

    /// <summary>Whether these tensors have a memory layout that the passes support.</summary>
    public static bool CanApply(torch.Tensor weight, torch.Tensor gradient) =>
        HostMemory.Holds(weight) && HostMemory.Holds(gradient);

    /// <summary>Changes a weight, its mean gradient and its mean squared gradient, all of one shape.</summary>
    public static void Step(
        torch.Tensor weight, torch.Tensor gradient, torch.Tensor mean, torch.Tensor square, Numbers numbers)
    {
        var weights = HostMemory.Pointer<float>(weight);
        var gradients = HostMemory.Pointer<float>(gradient);
        var means = HostMemory.Pointer<float>(mean);
        var squares = HostMemory.Pointer<float>(square);
        var count = weight.numel();
        HostMemory.ForPieces(count, count, (start, length, _) =>
            Average(gradients + start, means + start, squares + start, length, numbers));
        using var root = square.sqrt();
        var roots = HostMemory.Pointer<float>(root);
        HostMemory.ForPieces(count, count, (start, length, _) =>
            Change(weights + start, means + start, roots + start, length, numbers));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Average(float* gradients, float* means, float* squares, int count, Numbers numbers)
    {
        var (meanKept, meanAdded) = (new Vector<float>(numbers.MeanKept), new Vector<float>(numbers.MeanAdded));
        var (squareKept, squareAdded) = (new Vector<float>(numbers.SquareKept), new Vector<float>(numbers.SquareAdded));
        var i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            var gradient = Vector.Load(gradients + i);
            Vector.FusedMultiplyAdd(gradient, meanAdded, Vector.Load(means + i) * meanKept).Store(means + i);
            Vector.FusedMultiplyAdd(squareAdded * gradient, gradient, Vector.Load(squares + i) * squareKept)
                .Store(squares + i);
        }
        for (; i < count; i++)
        {
            means[i] = MathF.FusedMultiplyAdd(gradients[i], numbers.MeanAdded, means[i] * numbers.MeanKept);
            squares[i] = MathF.FusedMultiplyAdd(
                numbers.SquareAdded * gradients[i], gradients[i], squares[i] * numbers.SquareKept);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Change(float* weights, float* means, float* roots, int count, Numbers numbers)
    {
        var (divisor, epsilon) = (new Vector<float>(numbers.RootDivisor), new Vector<float>(numbers.Epsilon));
        var (rate, weightKept) = (new Vector<float>(numbers.Rate), new Vector<float>(numbers.WeightKept));
        var i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            var size = Vector.Load(roots + i) / divisor + epsilon;
            (Vector.Load(weights + i) * weightKept + rate * Vector.Load(means + i) / size).Store(weights + i);
        }
        for (; i < count; i++)
        {
            var size = roots[i] / numbers.RootDivisor + numbers.Epsilon;
            weights[i] = weights[i] * numbers.WeightKept + numbers.Rate * means[i] / size;
        }
    }
}

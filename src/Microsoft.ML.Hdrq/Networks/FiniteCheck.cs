using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Looks for values that are NaN or infinite before they are computed with.</summary>
internal static class FiniteCheck
{
    /// <summary>Whether all values are finite.</summary>
    public static bool AreFinite(ReadOnlySpan<float> values)
    {
        // A product with 0 is 0, or NaN where the value is not finite.
        var sums = Vector<float>.Zero;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(values);
        foreach (var vector in vectors)
            sums += vector * 0;
        var sum = Vector.Sum(sums);
        foreach (var value in values[(vectors.Length * Vector<float>.Count)..])
            sum += value * 0;
        return sum == 0;
    }

    /// <summary>Checks weights and statistics; constants may be infinite, as those of attention masks are.</summary>
    /// <exception cref="ArgumentException">One is not finite; the message names the parameter.</exception>
    public static void Parameters(Network network)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var definition in network.Graph.Parameters)
        {
            if (definition.Role != ParameterRole.Constant && definition.ElementType.IsFloat()
                && !network.Parameters[definition.Name].detach().isfinite().all().item<bool>())
            {
                throw new ArgumentException(
                    $"Parameter '{definition.Name}' of the network holds a value that is not finite.",
                    nameof(network));
            }
        }
    }

    /// <summary>Checks images, [images, ...].</summary>
    /// <exception cref="ArgumentException">A value is not finite; the message names the image.</exception>
    public static void Images(torch.Tensor images)
    {
        for (var i = 0L; i < images.shape[0]; i++)
        {
            using var scope = torch.NewDisposeScope();
            if (!images.select(0, i).isfinite().all().item<bool>())
            {
                throw new ArgumentException(
                    $"Image {i} has values that are not finite (NaN or infinite).", nameof(images));
            }
        }
    }
}

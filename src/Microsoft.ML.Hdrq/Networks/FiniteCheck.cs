using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Looks for values that are NaN or infinite, before or where they are computed with.</summary>
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
    /// <param name="network">The network.</param>
    /// <param name="name">What the network is, for the message.</param>
    /// <exception cref="ArgumentException">One is not finite; the message names the parameter.</exception>
    public static void Parameters(Network network, string name = "the network")
    {
        if (NotFinite(network) is { } parameter)
        {
            throw new ArgumentException(
                $"Parameter '{parameter}' of {name} holds a value that is not finite.", nameof(network));
        }
    }

    /// <summary>The first weight or statistic that is not finite; null if all are.</summary>
    public static string? NotFinite(Network network)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var definition in network.Graph.Parameters)
        {
            if (definition.Role != ParameterRole.Constant && definition.ElementType.IsFloat()
                && !IsFinite(network.Parameters[definition.Name].detach()))
            {
                return definition.Name;
            }
        }
        return null;
    }

    /// <summary>Checks images, [images, ...].</summary>
    /// <exception cref="ArgumentException">A value is not finite; the message names the image.</exception>
    public static void Images(torch.Tensor images)
    {
        if (FirstRow(images) is { } image)
        {
            throw new ArgumentException(
                $"Image {image} has values that are not finite (NaN or infinite).", nameof(images));
        }
    }

    /// <summary>Checks what a network has computed, [images, ...].</summary>
    /// <param name="values">The values.</param>
    /// <param name="what">What they are, for the message.</param>
    /// <param name="images">The number of images.</param>
    /// <param name="number">The number of an image among those that were read.</param>
    /// <exception cref="InvalidOperationException">A value is not finite; the message names the image.</exception>
    public static void Values(torch.Tensor values, string what, long images, Func<long, long> number)
    {
        if (IsFinite(values))
            return;
        // Values that have no row for each image belong to all of them.
        var image = values.dim() > 0 && values.shape[0] == images ? number(FirstRow(values)!.Value) : number(0);
        throw new InvalidOperationException(
            $"The network gives {what} that are not finite (NaN or infinite) for image {image} of those that were "
            + "read: its values, or the network's weights, are too large. Is the normalization right?");
    }

    /// <summary>Whether all values are finite.</summary>
    public static bool IsFinite(torch.Tensor values)
    {
        if (values.dtype == torch.ScalarType.Float32 && values.device_type == DeviceType.CPU && values.is_contiguous())
        {
            var areFinite = values.numel() == 0 || AreFinite(MemoryMarshal.Cast<byte, float>(values.bytes));
            // The bytes go with the tensor, which may have been the caller's last.
            GC.KeepAlive(values);
            return areFinite;
        }
        using var scope = torch.NewDisposeScope();
        return values.isfinite().all().item<bool>();
    }

    /// <summary>The first row that is not finite; null if all are.</summary>
    private static long? FirstRow(torch.Tensor values)
    {
        for (var i = 0L; i < values.shape[0]; i++)
        {
            using var scope = torch.NewDisposeScope();
            if (!IsFinite(values.select(0, i)))
                return i;
        }
        return null;
    }
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Looks for values that are NaN or infinite before they are computed with.</summary>
internal static class FiniteCheck
{
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

using Microsoft.ML.Hdrq.Tool.Terminal;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>Where networks are trained.</summary>
internal static class Devices
{
    /// <summary>A context for a seed and a GPU.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="gpu">The number of the GPU; null for the CPU.</param>
    /// <exception cref="UsageException">There is no such GPU.</exception>
    public static MLContext Context(int seed, int? gpu)
    {
        if (gpu is { } number)
        {
            if (!torch.cuda_is_available())
                throw new UsageException($"--gpu {number}: Torch finds no GPU here; leave --gpu out to use the CPU.");
            if (number >= torch.cuda.device_count())
                throw new UsageException(
                    $"--gpu {number}: Torch finds {torch.cuda.device_count()} GPUs here, numbered from 0.");
        }
        return new MLContext(seed) { GpuDeviceId = gpu };
    }
}

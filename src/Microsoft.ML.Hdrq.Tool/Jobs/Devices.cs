using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Tool.Terminal;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>Where networks are trained.</summary>
internal static partial class Devices
{
    /// <summary>A context for a seed and a GPU.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="gpu">The number of the GPU; null for the CPU.</param>
    /// <param name="warn">Told each warning of the pipelines' steps once; null if nobody asks.</param>
    /// <exception cref="UsageException">There is no such GPU.</exception>
    public static MLContext Context(int seed, int? gpu, Action<string>? warn = null)
    {
        if (gpu is { } number)
        {
            if (!torch.cuda_is_available())
                throw new UsageException(
                    $"--gpu {number}: Torch finds no GPU here. It takes a driver, and an hdrq that was built with "
                    + "-p:TorchBackend=cuda-linux or cuda-windows; leave --gpu out to use the CPU.");
            if (number >= torch.cuda.device_count())
                throw new UsageException(
                    $"--gpu {number}: Torch finds {torch.cuda.device_count()} GPUs here, numbered from 0.");
        }
        var context = new MLContext(seed) { GpuDeviceId = gpu };
        var told = new HashSet<string>(StringComparer.Ordinal);
        context.Log += (_, entry) =>
        {
            if (entry.Kind != ChannelMessageKind.Warning || warn is null)
                return;
            var text = OptionNames.In(ColumnName().Replace(entry.RawMessage, ""));
            lock (told)
            {
                if (!told.Add(text))
                    return;
            }
            warn(char.ToUpperInvariant(text[0]) + text[1..]);
        };
        return context;
    }

    /// <summary>Users of the command know no columns.</summary>
    [GeneratedRegex("^Column '[^']*': ")]
    private static partial Regex ColumnName();
}

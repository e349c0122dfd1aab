using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>The images of a batch, by their zero-based numbers.</summary>
/// <param name="Host">The numbers.</param>
/// <param name="OnDevice">
/// The same numbers on the computing device, where it is a GPU: copying them there for every step would make the host
/// wait for the device. Null to copy them when they are needed.
/// </param>
internal sealed record BatchIndices(long[] Host, torch.Tensor? OnDevice = null)
{
    /// <summary>The number of images.</summary>
    public int Count => Host.Length;

    /// <summary>The numbers 0 to <paramref name="count"/> - 1.</summary>
    public static BatchIndices All(int count) => new([.. Enumerable.Range(0, count).Select(i => (long)i)]);

    /// <summary>The numbers as a tensor on a device.</summary>
    public torch.Tensor To(torch.Device device) =>
        OnDevice is { } tensor && tensor.device_type == device.type
            ? tensor
            : torch.tensor(Host, device: device);
}

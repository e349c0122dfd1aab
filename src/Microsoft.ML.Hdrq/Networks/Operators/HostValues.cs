using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Between tensors on the network's device and the integers in host memory that steer a computation.</summary>
internal static class HostValues
{
    /// <summary>The integers of a tensor that holds a shape, axes or indices.</summary>
    public static long[] Integers(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().cpu().to(torch.ScalarType.Int64).contiguous().data<long>().ToArray();
    }

    /// <summary>The numbers of a tensor that holds scales or bounds.</summary>
    public static double[] Numbers(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().cpu().to(torch.ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    /// <summary>A list of integers in host memory.</summary>
    public static torch.Tensor Tensor(ReadOnlySpan<long> values) => TensorData.Of(values, values.Length).ToTorch();

    /// <summary>Brings a tensor in host memory to the other's device when the two are apart.</summary>
    public static (torch.Tensor A, torch.Tensor B) SameDevice(torch.Tensor a, torch.Tensor b) =>
        a.device_type == b.device_type ? (a, b) : a.device_type == DeviceType.CPU ? (a.to(b.device), b) : (a, b.to(a.device));

    /// <summary>An axis counted from the front.</summary>
    /// <exception cref="InvalidDataException">There is no such axis.</exception>
    public static int Axis(long axis, long rank) => axis >= -rank && axis < rank
        ? (int)(axis < 0 ? axis + rank : axis)
        : throw new InvalidDataException($"Axis {axis} does not exist in a tensor of {rank} dimensions.");
}

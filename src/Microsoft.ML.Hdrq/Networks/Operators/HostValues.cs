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

    /// <summary>The only integer of a tensor, such as an axis.</summary>
    /// <exception cref="InvalidDataException">The tensor does not have exactly one element.</exception>
    public static long Integer(torch.Tensor tensor) => Integers(Single(tensor))[0];

    /// <summary>The only number of a tensor.</summary>
    /// <inheritdoc cref="Integer"/>
    public static double Number(torch.Tensor tensor) => Numbers(Single(tensor))[0];

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

    /// <summary>Brings the tensors in host memory to the device of the first that is elsewhere.</summary>
    /// <exception cref="InvalidDataException">One is left out.</exception>
    public static torch.Tensor[] SameDevice(IReadOnlyList<torch.Tensor?> tensors)
    {
        torch.Tensor[] all = [.. tensors.Select(tensor => tensor ?? throw new InvalidDataException("An input is left out that is not optional."))];
        var device = (all.FirstOrDefault(tensor => tensor.device_type != DeviceType.CPU) ?? all[0]).device;
        return Array.ConvertAll(all, tensor => tensor.to(device));
    }

    /// <summary>Where a tensor made of nothing belongs: floating-point data on the network's device, integers that steer in host memory.</summary>
    public static torch.Device Home(ElementType type, ComputeContext context) => type.IsFloat() ? context.Device : torch.CPU;

    /// <summary>An axis counted from the front.</summary>
    /// <exception cref="InvalidDataException">There is no such axis.</exception>
    public static int Axis(long axis, long rank) => axis >= -rank && axis < rank
        ? (int)(axis < 0 ? axis + rank : axis)
        : throw new InvalidDataException($"Axis {axis} does not exist in a tensor of {rank} dimensions.");

    /// <summary>Axes counted from the front.</summary>
    /// <exception cref="InvalidDataException">One does not exist or is named twice.</exception>
    public static int[] Axes(IEnumerable<long> axes, long rank)
    {
        int[] result = [.. axes.Select(axis => Axis(axis, rank))];
        return result.Distinct().Count() == result.Length ? result : throw new InvalidDataException($"Axes {string.Join(", ", result)} are not distinct.");
    }

    private static torch.Tensor Single(torch.Tensor tensor) => tensor.numel() == 1
        ? tensor
        : throw new InvalidDataException($"A tensor of shape {TensorShape.Describe(tensor.shape)} is given where one number is needed.");
}

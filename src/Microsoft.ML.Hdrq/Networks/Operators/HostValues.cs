using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Reads and makes numbers in host memory: those that control computations on the network's device, and those that are
/// computed with outside of Torch.
/// </summary>
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

    /// <summary>The only value of a tensor, as a float.</summary>
    /// <inheritdoc cref="Integer"/>
    public static double Number(torch.Tensor tensor) => Numbers(Single(tensor))[0];

    /// <summary>The values of a tensor, row-major.</summary>
    public static double[] Numbers(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        var values = GC.AllocateUninitializedArray<double>(checked((int)tensor.numel()));
        if (values.Length == 0)
            return values;
        var host = tensor.detach().cpu().contiguous();
        if (host.dtype == torch.ScalarType.Float32)
        {
            // Without a copy in double precision between them.
            TensorPrimitives.ConvertTruncating<float, double>(MemoryMarshal.Cast<byte, float>(host.bytes), values);
        }
        else
        {
            host.to(torch.ScalarType.Float64).bytes.CopyTo(MemoryMarshal.AsBytes(values.AsSpan()));
        }
        return values;
    }

    /// <summary>A list of integers in host memory.</summary>
    public static torch.Tensor Tensor(ReadOnlySpan<long> values) => TensorData.Of(values, values.Length).ToTorch();

    /// <summary>
    /// A list of numbers in host memory; unlike <c>torch.tensor</c>, no array of .NET stays behind it. Such an array
    /// begins anywhere, and products are summed in another order where it does not begin where Torch's own memory does:
    /// results would differ from time to time.
    /// </summary>
    /// <param name="values">The numbers.</param>
    /// <param name="type">What they become.</param>
    public static torch.Tensor Tensor(ReadOnlySpan<double> values, torch.ScalarType type = torch.ScalarType.Float64)
    {
        var isSingle = type == torch.ScalarType.Float32;
        var tensor = torch.empty([values.Length], isSingle ? type : torch.ScalarType.Float64);
        if (values.IsEmpty)
            return tensor.to(type);
        // Without a copy in double precision between them.
        if (isSingle)
            TensorPrimitives.ConvertTruncating(values, MemoryMarshal.Cast<byte, float>(tensor.bytes));
        else
            MemoryMarshal.AsBytes(values).CopyTo(tensor.bytes);
        return tensor.to(type);
    }

    /// <summary>Brings a tensor in host memory to the other tensor's device when the devices differ.</summary>
    public static (torch.Tensor A, torch.Tensor B) SameDevice(torch.Tensor a, torch.Tensor b) =>
        a.device_type == b.device_type ? (a, b)
        : a.device_type == DeviceType.CPU ? (a.to(b.device), b)
        : (a, b.to(a.device));

    /// <summary>Brings tensors in host memory to the device of the first tensor on another device.</summary>
    /// <exception cref="InvalidDataException">An input is left out.</exception>
    public static torch.Tensor[] SameDevice(IReadOnlyList<torch.Tensor?> tensors)
    {
        torch.Tensor[] all =
        [
            .. tensors.Select(tensor =>
                tensor ?? throw new InvalidDataException("An input is left out that is not optional.")),
        ];
        var device = (all.FirstOrDefault(tensor => tensor.device_type != DeviceType.CPU) ?? all[0]).device;
        return Array.ConvertAll(all, tensor => tensor.to(device));
    }

    /// <summary>
    /// The device for a tensor without data inputs: the network's device for floating-point data, host memory for
    /// integers that control computations.
    /// </summary>
    public static torch.Device Home(ElementType type, ComputeContext context) =>
        type.IsFloat() ? context.Device : torch.CPU;

    /// <summary>Converts an axis to a zero-based axis from the front.</summary>
    /// <exception cref="InvalidDataException">There is no such axis.</exception>
    public static int Axis(long axis, long rank) => axis >= -rank && axis < rank
        ? (int)(axis < 0 ? axis + rank : axis)
        : throw new InvalidDataException($"Axis {axis} does not exist in a tensor of {rank} dimensions.");

    /// <summary>Converts axes to zero-based axes from the front.</summary>
    /// <exception cref="InvalidDataException">An axis does not exist or is given twice.</exception>
    public static int[] Axes(IEnumerable<long> axes, long rank)
    {
        int[] result = [.. axes.Select(axis => Axis(axis, rank))];
        return result.Distinct().Count() == result.Length
            ? result
            : throw new InvalidDataException($"Axes {string.Join(", ", result)} are not distinct.");
    }

    private static torch.Tensor Single(torch.Tensor tensor) => tensor.numel() == 1
        ? tensor
        : throw new InvalidDataException(
            $"A tensor of shape {TensorShape.Describe(tensor.shape)} is given where a single value is needed.");
}

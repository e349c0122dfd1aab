using System.Numerics;
using System.Runtime.CompilerServices;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Assembles the images of a batch: in host memory in one pass, elsewhere by tensor operations.</summary>
/// <param name="device">The device that uses the batch.</param>
/// <param name="pool">The random choices between two tensors.</param>
/// <param name="workspace">The memory for batches in host memory.</param>
internal sealed unsafe class BatchSelection(torch.Device device, RandomPool pool, Workspace workspace)
{
    /// <summary>Selects the images of a batch.</summary>
    /// <param name="images">All images.</param>
    /// <param name="indices">The indices of the images.</param>
    public torch.Tensor Select(ActivationCache images, BatchIndices indices)
    {
        if (images.Memory is { } memory)
            return Select(memory, indices);
        long[] shape = [indices.Count, .. images.RowShape];
        var rows = device.type == DeviceType.CPU
            ? workspace.Rent(shape)
            : torch.empty(shape, torch.ScalarType.Float32);
        images.Read(indices.Host, rows);
        return rows.to(device);
    }

    /// <summary>
    /// Selects the images of a batch, taking each element from one of two caches with the pool's probability. The
    /// choices do not depend on where the caches are.
    /// </summary>
    /// <param name="quantized">All images as computed by the network quantized so far.</param>
    /// <param name="exact">All images as computed by the network in full precision.</param>
    /// <param name="indices">The indices of the images.</param>
    public torch.Tensor SelectMixed(ActivationCache quantized, ActivationCache exact, BatchIndices indices)
    {
        if (quantized.Memory is { } quantizedMemory && exact.Memory is { } exactMemory)
            return SelectMixed(quantizedMemory, exactMemory, indices);
        return SelectMixed(Select(quantized, indices), Select(exact, indices), BatchIndices.All(indices.Count));
    }

    /// <inheritdoc cref="Select(ActivationCache, BatchIndices)"/>
    public torch.Tensor Select(torch.Tensor images, BatchIndices indices)
    {
        if (IsHere(images))
        {
            return InOnePass(images, indices.Host, (source, _, target, length) =>
                new ReadOnlySpan<float>(source, length).CopyTo(new Span<float>(target, length)));
        }
        return images.device_type == DeviceType.CPU && device.type != DeviceType.CPU
            ? Fetch(images, indices.Host)
            : images.index_select(0, indices.To(images.device)).to(device);
    }

    /// <inheritdoc cref="SelectMixed(ActivationCache, ActivationCache, BatchIndices)"/>
    public torch.Tensor SelectMixed(torch.Tensor quantized, torch.Tensor exact, BatchIndices indices)
    {
        var image = exact.numel() / exact.shape[0];
        if (IsHere(quantized) && IsHere(exact))
        {
            var draws = HostMemory.Pointer<int>(pool.Draws(image * indices.Count));
            var others = HostMemory.Pointer<float>(exact);
            var all = HostMemory.Pointer<float>(quantized);
            return InOnePass(quantized, indices.Host, (source, start, target, length) =>
                Mix(source, others + (source - all), draws + start, target, length));
        }
        if (device.type != DeviceType.CPU && CudaRounding.CanSelect(quantized, exact, indices.Count))
            return CudaRounding.Select(quantized, exact, indices, pool);
        return MixedRounding.Mix(Select(quantized, indices), Select(exact, indices), pool);
    }

    private bool IsHere(torch.Tensor images) =>
        device.type == DeviceType.CPU && HostMemory.Holds(images);

    /// <summary>
    /// Copies images from host memory to the device, one by one: the device fetches them from pinned memory by itself
    /// while the host goes on.
    /// </summary>
    private torch.Tensor Fetch(torch.Tensor images, long[] indices)
    {
        var result = torch.empty([indices.Length, .. images.shape[1..]], torch.ScalarType.Float32, device);
        for (var i = 0; i < indices.Length; i++)
            result[i].copy_(images[indices[i]], true);
        return result;
    }

    private torch.Tensor InOnePass(torch.Tensor images, long[] indices, Pass pass)
    {
        var result = workspace.Rent([indices.Length, .. images.shape.AsSpan(1)]);
        var all = HostMemory.Pointer<float>(images);
        var target = HostMemory.Pointer<float>(result);
        var image = images.numel() / images.shape[0];
        HostMemory.ForPieces(result.numel(), image, (start, length, _) =>
            pass(all + indices[start / image] * image + start % image, start, target + start, length));
        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mix(float* quantized, float* exact, int* draws, float* result, int count)
    {
        var i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            var isExact = Vector.LessThan(Vector.Load(draws + i), Vector<int>.Zero);
            Vector.ConditionalSelect(isExact, Vector.Load(exact + i), Vector.Load(quantized + i)).Store(result + i);
        }
        for (; i < count; i++)
            result[i] = draws[i] < 0 ? exact[i] : quantized[i];
    }

    /// <summary>
    /// A run of elements of an image: its source, its position in the batch, its target, and its length.
    /// </summary>
    private delegate void Pass(float* source, long start, float* target, int length);
}

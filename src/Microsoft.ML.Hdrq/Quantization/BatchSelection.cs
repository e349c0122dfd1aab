using System.Numerics;
using System.Runtime.CompilerServices;
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
    public torch.Tensor Select(ActivationCache images, long[] indices)
    {
        if (images.Memory is { } memory)
            return Select(memory, indices);
        long[] shape = [indices.Length, .. images.RowShape];
        var rows = device.type == DeviceType.CPU
            ? workspace.Rent(shape)
            : torch.empty(shape, torch.ScalarType.Float32);
        images.Read(indices, rows);
        return rows.to(device);
    }

    /// <summary>
    /// Selects the images of a batch, taking each element from one of two caches with the pool's probability. The
    /// choices do not depend on where the caches are.
    /// </summary>
    /// <param name="quantized">All images as computed by the network quantized so far.</param>
    /// <param name="exact">All images as computed by the network in full precision.</param>
    /// <param name="indices">The indices of the images.</param>
    public torch.Tensor SelectMixed(ActivationCache quantized, ActivationCache exact, long[] indices)
    {
        if (quantized.Memory is { } quantizedMemory && exact.Memory is { } exactMemory)
            return SelectMixed(quantizedMemory, exactMemory, indices);
        return SelectMixed(
            Select(quantized, indices),
            Select(exact, indices),
            [.. Enumerable.Range(0, indices.Length).Select(i => (long)i)]);
    }

    /// <inheritdoc cref="Select(ActivationCache, long[])"/>
    public torch.Tensor Select(torch.Tensor images, long[] indices) => IsHere(images)
        ? InOnePass(images, indices, (source, _, target, length) =>
            new ReadOnlySpan<float>(source, length).CopyTo(new Span<float>(target, length)))
        : Fetch(images, indices);

    /// <inheritdoc cref="SelectMixed(ActivationCache, ActivationCache, long[])"/>
    public torch.Tensor SelectMixed(torch.Tensor quantized, torch.Tensor exact, long[] indices)
    {
        if (!IsHere(quantized) || !IsHere(exact))
            return MixedRounding.Mix(Fetch(quantized, indices), Fetch(exact, indices), pool);
        var draws = HostMemory.Pointer<int>(pool.Draws(exact.numel() / exact.shape[0] * indices.Length));
        var others = HostMemory.Pointer<float>(exact);
        var all = HostMemory.Pointer<float>(quantized);
        return InOnePass(quantized, indices, (source, start, target, length) =>
            Mix(source, others + (source - all), draws + start, target, length));
    }

    private bool IsHere(torch.Tensor images) =>
        device.type == DeviceType.CPU && HostMemory.Holds(images);

    private torch.Tensor Fetch(torch.Tensor images, long[] indices) =>
        images.index_select(0, torch.tensor(indices, device: images.device)).to(device);

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

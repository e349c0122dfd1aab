using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>The passes of <see cref="FusedRounding"/> over the memory of an NVIDIA GPU (Reconstruction.cu).</summary>
internal static class CudaRounding
{
    /// <summary>The number of elements of a run that a block of threads takes; as PIECE in the source.</summary>
    public const long PieceLength = 4096;

    /// <summary>The number of threads that fill a table; as TABLE_THREADS in the source.</summary>
    private const uint TableThreads = 1024;

    /// <summary>Whether these tensors are on a GPU that has our kernels, in a memory layout that they support.</summary>
    public static bool CanApply(torch.Tensor values, torch.Tensor scale) =>
        Holds(values) && Holds(scale) && CudaKernels.For(values) is not null;

    /// <summary>Whether a tensor is on a GPU, contiguous, in single precision, not empty and not too large.</summary>
    public static bool Holds(torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CUDA
        && tensor.dtype == torch.ScalarType.Float32
        && tensor.is_contiguous()
        && tensor.numel() is > 0 and <= int.MaxValue;

    /// <summary>Makes a table of the rounding errors of values, as <see cref="NoiseRounding.Fill"/> does.</summary>
    public static torch.Tensor Table(
        torch.Tensor values, torch.Tensor scale, QuantizationRange range, RandomPool pool)
    {
        var table = torch.empty(NoiseRounding.TableSize, torch.ScalarType.Float32, values.device);
        CudaKernels.For(values)!.Launch(
            "fill_table",
            1,
            TableThreads,
            values,
            (uint)values.numel(),
            scale,
            (uint)FusedRounding.RunLength(values, scale),
            (uint)scale.numel(),
            (float)range.Minimum,
            (float)range.Maximum,
            (uint)pool.Next(int.MaxValue),
            table);
        return table;
    }

    /// <inheritdoc cref="HostRounding.Forward(torch.Tensor, torch.Tensor, FusedRounding.Settings)"/>
    public static (torch.Tensor Result, torch.Tensor Kept) Forward(
        torch.Tensor values, torch.Tensor scale, FusedRounding.Settings settings)
    {
        var result = torch.empty_like(values);
        var kept = torch.empty_like(values);
        CudaKernels.For(values)!.Launch(
            "quantize",
            CudaKernels.BlocksFor(values.numel()),
            CudaKernels.Threads,
            values,
            scale,
            settings.Table,
            settings.Draws,
            (uint)values.numel(),
            (uint)FusedRounding.RunLength(values, scale),
            (uint)scale.numel(),
            (float)settings.Range.Minimum,
            (float)settings.Range.Maximum,
            settings.IsMixed ? 1u : 0,
            result,
            kept);
        return (result, kept);
    }

    /// <inheritdoc cref="HostRounding.Backward(torch.Tensor, torch.Tensor, torch.Tensor, FusedRounding.Plan)"/>
    public static torch.Tensor Backward(
        torch.Tensor gradient, torch.Tensor kept, torch.Tensor? valueGradient, FusedRounding.Plan plan)
    {
        var kernels = CudaKernels.For(gradient)!;
        var piecesPerRun = (plan.Run + PieceLength - 1) / PieceLength;
        var runs = gradient.numel() / plan.Run;
        using var sums = torch.empty(runs * piecesPerRun, torch.ScalarType.Float64, gradient.device);
        kernels.Launch(
            "quantize_backward",
            runs * piecesPerRun,
            CudaKernels.Threads,
            gradient,
            kept,
            (uint)plan.Run,
            (uint)piecesPerRun,
            valueGradient,
            sums);
        var result = torch.empty(plan.ScaleShape, torch.ScalarType.Float32, gradient.device);
        kernels.Launch(
            "sum_scales",
            plan.ScaleCount,
            CudaKernels.Threads,
            sums,
            (uint)piecesPerRun,
            (uint)runs,
            (uint)plan.ScaleCount,
            (float)plan.Settings.GradientFactor,
            result);
        return result;
    }

    /// <summary>Whether <see cref="Select"/> supports these images.</summary>
    public static bool CanSelect(torch.Tensor quantized, torch.Tensor exact, int count) =>
        quantized.device_type == DeviceType.CUDA && exact.device_type == DeviceType.CUDA
        && quantized.is_contiguous() && exact.is_contiguous()
        && exact.numel() / exact.shape[0] * count <= int.MaxValue
        && CudaKernels.For(exact) is not null;

    /// <summary>Selects images, each element from one of two tensors with the pool's probability.</summary>
    public static torch.Tensor Select(
        torch.Tensor quantized, torch.Tensor exact, BatchIndices indices, RandomPool pool)
    {
        var result = torch.empty([indices.Count, .. exact.shape[1..]], torch.ScalarType.Float32, exact.device);
        CudaKernels.For(exact)!.Launch(
            "select_mixed",
            CudaKernels.BlocksFor(result.numel()),
            CudaKernels.Threads,
            quantized,
            exact,
            indices.To(exact.device),
            pool.Draws(result.numel()),
            (uint)(exact.numel() / exact.shape[0]),
            (uint)result.numel(),
            result);
        return result;
    }
}

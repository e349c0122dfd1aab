using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Host memory that every step of a training reuses. If it were freed after each step, it would return to the operating
/// system, and fetching its pages again takes longer than the passes over it.
/// </summary>
internal sealed class Workspace : IDisposable
{
    /// <summary>
    /// Slightly less than 32 MiB, up to which the C library of Linux adapts to the requested sizes: once memory of this
    /// size has been freed, the library keeps as much from then on. Otherwise the activations that Torch frees in every
    /// step would also return to the operating system, and a step of a small block would spend a quarter of its time on
    /// fetching pages.
    /// </summary>
    private const long LearnedBytes = 31 << 20;

    private readonly List<torch.Tensor> _buffers = [];
    private readonly ConcurrentBag<torch.Tensor> _done = [];
    private int _next;

    // Nothing is written to this memory, so it takes no physical memory.
    public Workspace() => torch.empty([LearnedBytes], torch.ScalarType.Byte).Dispose();

    /// <summary>What went wrong while gradients were computed; null if nothing did.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Throws what went wrong while gradients were computed.</summary>
    public void ThrowFailure()
    {
        if (Failure is not { } failure)
            return;
        Failure = null;
        ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Begins a step: the tensors of the step before may be reused.</summary>
    public void Reset()
    {
        _next = 0;
        while (_done.TryTake(out var tensor))
            tensor.Dispose();
    }

    /// <summary>Disposes tensors with the next step; for threads without a dispose scope. Thread-safe.</summary>
    public void DisposeLater(params ReadOnlySpan<torch.Tensor?> tensors)
    {
        foreach (var tensor in tensors)
        {
            if (tensor is not null)
                _done.Add(tensor);
        }
    }

    /// <summary>
    /// Gets a tensor of single precision with arbitrary content, valid until the next step; the caller disposes it.
    /// </summary>
    public torch.Tensor Rent(long[] shape)
    {
        if (_next == _buffers.Count)
            _buffers.Add(Make(shape));
        var buffer = _buffers[_next];
        if (!buffer.shape.AsSpan().SequenceEqual(shape))
        {
            buffer.Dispose();
            _buffers[_next] = buffer = Make(shape);
        }
        _next++;
        // This uses the same memory, but for Torch it is a separate tensor and no view, so it may become the result of
        // a function with gradients.
        return torch.empty(0).set_(buffer);
    }

    public void Dispose()
    {
        Reset();
        _buffers.ForEach(buffer => buffer.Dispose());
    }

    private static torch.Tensor Make(long[] shape) =>
        torch.empty(shape, torch.ScalarType.Float32).DetachFromDisposeScope();
}

using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Host memory that every step of a training uses again. Freed after each step it would go back to the operating system, and fetching its pages anew takes longer than
/// the passes over it.
/// </summary>
internal sealed class Workspace : IDisposable
{
    /// <summary>
    /// A little less than the 32 MiB up to which the C library of Linux learns from what it is asked for: freed once, memory of this size tells it to keep as much from now on. Else the
    /// activations that Torch frees in every step would go back to the operating system as well, and a step of a small block would spend a quarter of its time on fetching pages.
    /// </summary>
    private const long LearnedBytes = 31 << 20;

    private readonly List<torch.Tensor> _buffers = [];
    private int _next;

    // Nothing is written to it, so it costs no memory.
    public Workspace() => torch.empty([LearnedBytes], torch.ScalarType.Byte).Dispose();

    /// <summary>Begins a step: what the step before was given is free.</summary>
    public void Reset() => _next = 0;

    /// <summary>A tensor of single precision with any content, good until the next step; the caller's to dispose.</summary>
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
        // The same memory, but to Torch a tensor of its own and no view, which may become the result of a function with gradients.
        return torch.empty(0).set_(buffer);
    }

    public void Dispose() => _buffers.ForEach(buffer => buffer.Dispose());

    private static torch.Tensor Make(long[] shape) => torch.empty(shape, torch.ScalarType.Float32).DetachFromDisposeScope();
}

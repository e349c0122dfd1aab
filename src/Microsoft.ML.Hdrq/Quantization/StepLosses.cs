using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Checks and reports the losses of steps. Reading a loss from a GPU makes the host wait until the device has finished
/// the step, so these are read many at a time, and reported late.
/// </summary>
/// <param name="device">The device that computes the losses.</param>
/// <param name="block">The name of the block that is trained.</param>
/// <param name="report">Called with every step, in order, and its loss; null if nobody asks.</param>
internal sealed class StepLosses(torch.Device device, string block, Action<int, float>? report) : IDisposable
{
    private const int ReadTogether = 32;

    private readonly torch.Tensor? _losses = device.type == DeviceType.CPU
        ? null
        : torch.empty(ReadTogether, torch.ScalarType.Float32, device).DetachFromDisposeScope();

    private int _count;
    private int _last;

    /// <summary>Adds the loss of a step.</summary>
    /// <param name="step">The step; it follows the one before.</param>
    /// <param name="loss">The loss, a scalar.</param>
    /// <exception cref="InvalidOperationException">
    /// The loss of this step, or of one before it, is not finite.
    /// </exception>
    public void Add(int step, torch.Tensor loss)
    {
        _last = step;
        if (_losses is null)
        {
            Report(step, loss.item<float>());
            return;
        }
        using var noGradients = torch.no_grad();
        _losses[_count++].copy_(loss);
        if (_count == ReadTogether)
            Flush();
    }

    /// <summary>Reports what has not been reported.</summary>
    public void Flush()
    {
        if (_count == 0)
            return;
        using var scope = torch.NewDisposeScope();
        var values = _losses!.cpu().data<float>().ToArray();
        var first = _last - _count + 1;
        for (var i = 0; i < _count; i++)
            Report(first + i, values[i]);
        _count = 0;
    }

    private void Report(int step, float loss)
    {
        if (!float.IsFinite(loss))
        {
            throw new InvalidOperationException(
                $"The loss is {loss} in step {step} of block '{block}': a learning rate of the training is too large "
                + "for this network, or its values are.");
        }
        report?.Invoke(step, loss);
    }

    public void Dispose() => _losses?.Dispose();
}

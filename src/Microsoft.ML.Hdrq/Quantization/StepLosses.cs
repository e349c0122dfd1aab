using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Reports the losses of steps. Reading a loss from a GPU makes the host wait until the device has finished the step, so
/// these are read many at a time, and reported late.
/// </summary>
/// <param name="device">The device that computes the losses.</param>
/// <param name="report">Called with every step, in order, and its loss; null to read nothing.</param>
internal sealed class StepLosses(torch.Device device, Action<int, float>? report) : IDisposable
{
    private const int ReadTogether = 32;

    private readonly torch.Tensor? _losses = report is null || device.type == DeviceType.CPU
        ? null
        : torch.empty(ReadTogether, torch.ScalarType.Float32, device).DetachFromDisposeScope();

    private int _count;
    private int _last;

    /// <summary>Adds the loss of a step.</summary>
    /// <param name="step">The step; it follows the one before.</param>
    /// <param name="loss">The loss, a scalar.</param>
    public void Add(int step, torch.Tensor loss)
    {
        if (report is null)
            return;
        _last = step;
        if (_losses is null)
        {
            report(step, loss.item<float>());
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
            report!(first + i, values[i]);
        _count = 0;
    }

    public void Dispose() => _losses?.Dispose();
}

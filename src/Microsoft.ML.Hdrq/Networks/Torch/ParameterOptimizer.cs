using Microsoft.ML.Hdrq.Networks.Files;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Changes parameters by their gradients. What it computes is what Torch's optimizers do, operation by operation; those
/// of TorchSharp pass numbers that may be freed while libtorch reads them, see <see cref="Scalars"/>.
/// </summary>
/// <param name="parameters">The parameters; they outlive the optimizer.</param>
internal abstract class ParameterOptimizer(IReadOnlyList<Parameter> parameters) : IDisposable
{
    /// <summary>The parameters.</summary>
    protected IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>Sets the gradients that are there to 0.</summary>
    public void ZeroGradients()
    {
        foreach (var parameter in parameters)
        {
            using var gradient = parameter.grad;
            gradient?.zero_();
        }
    }

    /// <summary>Changes all parameters that have gradients.</summary>
    /// <param name="rate">The learning rate.</param>
    public void Step(double rate)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        for (var i = 0; i < parameters.Count; i++)
        {
            if (parameters[i].grad is { } gradient)
                Change(i, gradient, rate);
        }
    }

    /// <summary>Writes what the optimizer remembers of the steps before.</summary>
    public abstract void Write(BinaryWriter writer);

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <returns>Takes it over.</returns>
    /// <exception cref="InvalidDataException">It was written for other parameters.</exception>
    public abstract Action Read(BinaryReader reader);

    public abstract void Dispose();

    /// <summary>Changes a parameter.</summary>
    /// <param name="index">Its place among the parameters.</param>
    /// <param name="gradient">Its gradient; not changed.</param>
    /// <param name="rate">The learning rate.</param>
    protected abstract void Change(int index, torch.Tensor gradient, double rate);

    /// <summary>Zeros like a parameter, which outlive all scopes.</summary>
    protected torch.Tensor Zeros(int index) =>
        torch.zeros_like(parameters[index], requires_grad: false).DetachFromDisposeScope();
}

/// <summary>
/// Stochastic gradient descent: <c>b = momentum b + (g + decay w)</c>, <c>w -= rate b</c>, where b begins as the first
/// gradient.
/// </summary>
internal sealed class SgdOptimizer(IReadOnlyList<Parameter> parameters, double momentum, double decay)
    : ParameterOptimizer(parameters)
{
    // They are there only after the first step.
    private readonly torch.Tensor?[] _averages = new torch.Tensor?[parameters.Count];

    public override void Write(BinaryWriter writer)
    {
        foreach (var average in _averages)
        {
            writer.Write(average is not null);
            if (average is not null)
                writer.WriteTensor(average);
        }
    }

    public override Action Read(BinaryReader reader)
    {
        var read = Parameters.Select(weight => reader.ReadBoolean() ? reader.ReadTensor(weight) : null).ToArray();
        return () =>
        {
            foreach (var (index, values) in read.Index())
            {
                if (values is not null)
                    (_averages[index] ??= Zeros(index)).Take(values);
            }
        };
    }

    public override void Dispose() => Array.ForEach(_averages, average => average?.Dispose());

    protected override void Change(int index, torch.Tensor gradient, double rate)
    {
        if (decay != 0)
            gradient = gradient.add(Parameters[index], Scalars.Keep(decay));
        if (momentum != 0)
        {
            if (_averages[index] is { } average)
                average.mul_(Scalars.Keep(momentum)).add_(gradient, Scalars.One);
            else
                _averages[index] = gradient.clone().detach().DetachFromDisposeScope();
            gradient = _averages[index]!;
        }
        Parameters[index].add_(gradient, Scalars.Keep(-rate));
    }
}

/// <summary>
/// Adam with its usual settings (0.9, 0.999, 1e-8), and with weights that decay by themselves, <c>w -= rate decay w</c>
/// (AdamW, Loshchilov and Hutter, ICLR 2019).
/// </summary>
internal sealed class AdamOptimizer : ParameterOptimizer
{
    private const double MeanKept = 0.9;
    private const double SquareKept = 0.999;
    private const double Epsilon = 1e-8;

    private readonly double _decay;
    private readonly long[] _steps;
    private readonly torch.Tensor[] _means;
    private readonly torch.Tensor[] _squares;

    public AdamOptimizer(IReadOnlyList<Parameter> parameters, double decay = 0)
        : base(parameters)
    {
        _decay = decay;
        _steps = new long[parameters.Count];
        _means = [.. Enumerable.Range(0, parameters.Count).Select(Zeros)];
        _squares = [.. Enumerable.Range(0, parameters.Count).Select(Zeros)];
    }

    public override void Write(BinaryWriter writer)
    {
        for (var i = 0; i < _steps.Length; i++)
        {
            writer.Write(_steps[i]);
            writer.WriteTensor(_means[i]);
            writer.WriteTensor(_squares[i]);
        }
    }

    public override Action Read(BinaryReader reader)
    {
        var read = Parameters
            .Select(weight => (reader.ReadInt64(), reader.ReadTensor(weight), reader.ReadTensor(weight)))
            .ToArray();
        return () =>
        {
            foreach (var (index, (step, mean, square)) in read.Index())
            {
                _steps[index] = step;
                _means[index].Take(mean);
                _squares[index].Take(square);
            }
        };
    }

    public override void Dispose()
    {
        Array.ForEach(_means, mean => mean.Dispose());
        Array.ForEach(_squares, square => square.Dispose());
    }

    protected override void Change(int index, torch.Tensor gradient, double rate)
    {
        var (weight, step) = (Parameters[index], ++_steps[index]);
        var rootDivisor = Math.Sqrt(1 - Math.Pow(SquareKept, step));
        var correctedRate = -rate / (1 - Math.Pow(MeanKept, step));
        if (HostAdam.CanApply(weight, gradient))
        {
            HostAdam.Step(weight, gradient, _means[index], _squares[index], new(
                (float)MeanKept, (float)(1 - MeanKept), (float)SquareKept, (float)(1 - SquareKept),
                (float)rootDivisor, (float)Epsilon, (float)correctedRate, (float)(1 - rate * _decay)));
            return;
        }
        if (_decay != 0)
            weight.mul_(Scalars.Keep(1 - rate * _decay));
        _means[index].mul_(Scalars.Keep(MeanKept)).add_(gradient, Scalars.Keep(1 - MeanKept));
        _squares[index].mul_(Scalars.Keep(SquareKept)).addcmul_(gradient, gradient, Scalars.Keep(1 - SquareKept));
        var size = _squares[index].sqrt()
            .div(Scalars.Keep(rootDivisor))
            .add_(Scalars.Keep(Epsilon), Scalars.One);
        weight.addcdiv_(_means[index], size, Scalars.Keep(correctedRate));
    }
}

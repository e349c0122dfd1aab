using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// Computes the scores of rows. The engine gets a copy of the network with batch normalization folded. It is created
/// when scores are first requested: most networks of a pipeline only lead to others, and nobody reads their scores.
/// Thread-safe.
/// </summary>
internal sealed class NetworkScorer : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Func<ScoringEngine> _makeEngine;
    private ScoringEngine? _engine;
    private bool _disposed;
    private readonly bool _softmax;

    /// <summary>The batch size that the network was exported for; null if it takes any.</summary>
    private readonly int? _fixedBatch;
    private readonly long[] _inputShape;
    private readonly long[] _scoreShape;

    /// <summary>Prepares a network, and finds the shape of its scores by computing them for rows of zeros.</summary>
    /// <param name="network">The network; the caller keeps it, and it must outlive this scorer.</param>
    /// <param name="inputShape">The shape of the input without the batch.</param>
    /// <param name="softmax">Whether the scores become probabilities over the first dimension after the batch.</param>
    /// <param name="engine">The engine that computes.</param>
    /// <param name="threads">The number of ONNX Runtime's threads; null for its own choice.</param>
    /// <exception cref="InvalidOperationException">
    /// The network cannot compute, the requested engine does not take it, or its output does not have one row for every
    /// input row.
    /// </exception>
    public NetworkScorer(Network network, long[] inputShape, bool softmax, ScoringEngineKind engine, int? threads)
    {
        _softmax = softmax;
        _inputShape = inputShape;
        InputSize = checked((int)TensorShape.ElementCount(inputShape)!.Value);
        _fixedBatch = network.Graph.Inputs[0].Shape[0] is > 0 and var batch ? checked((int)batch) : null;
        _scoreShape = FindScoreShape(network);
        ScoreSize = checked((int)TensorShape.ElementCount(_scoreShape)!.Value);
        _makeEngine = () => MakeEngine(network, engine, threads);
        // A caller that requests ONNX Runtime must learn at once if it does not take the network.
        if (engine == ScoringEngineKind.OnnxRuntime)
            _ = Engine();
    }

    /// <summary>Whether the engine has been made.</summary>
    public bool HasEngine => _engine is not null;

    /// <summary>The shape of the input without the batch.</summary>
    public ReadOnlySpan<long> InputShape => _inputShape;

    /// <summary>The number of values of a row's input.</summary>
    public int InputSize { get; }

    /// <summary>The shape of the scores without the batch.</summary>
    public ReadOnlySpan<long> ScoreShape => _scoreShape;

    /// <summary>The number of values of a row's scores.</summary>
    public int ScoreSize { get; }

    /// <summary>Allocates memory for the inputs of some rows, owned by the caller.</summary>
    public torch.Tensor NewBatch(int rows) =>
        torch.empty([rows, .. _inputShape], torch.ScalarType.Float32).DetachFromDisposeScope();

    /// <summary>Gets the input of one row in a batch.</summary>
    public Span<float> Row(torch.Tensor batch, int row) =>
        MemoryMarshal.Cast<byte, float>(batch.bytes).Slice(row * InputSize, InputSize);

    /// <summary>Computes the scores of the first rows of a batch.</summary>
    /// <param name="batch">The inputs, from <see cref="NewBatch"/>.</param>
    /// <param name="rows">How many rows to score.</param>
    /// <param name="scores">Receives the scores, row after row.</param>
    public void Score(torch.Tensor batch, int rows, Span<float> scores)
    {
        using var scope = torch.NewDisposeScope();
        var step = _fixedBatch ?? rows;
        for (var start = 0; start < rows; start += step)
        {
            var count = Math.Min(step, rows - start);
            var input = batch.narrow(0, start, count);
            if (count < step)
                input = torch.cat([input, Zeros(step - count)]);
            using var output = Engine().Forward(input);
            Copy(output, count, scores.Slice(start * ScoreSize, count * ScoreSize));
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _engine?.Dispose();
        }
    }

    private torch.Tensor Zeros(int rows) => torch.zeros([rows, .. _inputShape], torch.ScalarType.Float32);

    private ScoringEngine Engine()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _engine ??= _makeEngine();
        }
    }

    /// <summary>
    /// Makes the engine and tries it on zeros: ONNX Runtime may take a network and then refuse to compute it, or give
    /// another shape where it reads the specification of ONNX differently.
    /// </summary>
    private ScoringEngine MakeEngine(Network network, ScoringEngineKind kind, int? threads)
    {
        using var folded = FoldBatchNormalization.Apply(network);
        var engine = ScoringEngine.For(folded, kind, threads);
        if (engine is not OnnxRuntimeEngine || Refusal(engine) is not { } refusal)
            return engine;
        engine.Dispose();
        return kind == ScoringEngineKind.Automatic
            ? ScoringEngine.For(folded, ScoringEngineKind.Torch, threads)
            : throw new InvalidOperationException($"ONNX Runtime does not compute the network: {refusal}");
    }

    /// <summary>Why an engine does not suit the network; null if it does.</summary>
    private string? Refusal(ScoringEngine engine)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            using var scores = engine.Forward(Zeros(_fixedBatch ?? 2));
            return scores.shape is [_, .. var shape] && shape.AsSpan().SequenceEqual(_scoreShape)
                ? null
                : $"it gave scores of shape {TensorShape.Describe(scores.shape.AsSpan(1))} "
                    + $"instead of {TensorShape.Describe(_scoreShape)}.";
        }
        catch (OnnxRuntimeException exception)
        {
            return exception.Message;
        }
    }

    private long[] FindScoreShape(Network network)
    {
        using var scope = torch.NewDisposeScope();
        var rows = _fixedBatch ?? 2;
        var scores = network.Run([Zeros(rows)], ForwardMode.Inference)[0];
        return scores.dim() >= 2 && scores.shape[0] == rows
            ? scores.shape[1..]
            : throw new InvalidOperationException(
                $"The network's output '{network.Graph.Outputs[0].Name}' "
                + $"has shape {TensorShape.Describe(scores.shape)} for {rows} rows; "
                + "its first dimension must be the batch, with the scores after it.");
    }

    private void Copy(torch.Tensor output, int rows, Span<float> scores)
    {
        using var scope = torch.NewDisposeScope();
        if (output.dim() != _scoreShape.Length + 1 || !output.shape.AsSpan(1).SequenceEqual(_scoreShape))
        {
            throw new InvalidOperationException(
                $"The network gave scores of shape {TensorShape.Describe(output.shape.AsSpan(1))} "
                + $"instead of {TensorShape.Describe(_scoreShape)}.");
        }
        // No autograd graph holds the result: the forward pass was without gradients.
        var values = output.narrow(0, 0, rows);
        if (_softmax)
            values = values.to(torch.ScalarType.Float32).softmax(1);
        MemoryMarshal.Cast<byte, float>(values.cpu().to(torch.ScalarType.Float32).contiguous().bytes).CopyTo(scores);
    }
}

using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// Computes the scores of rows. The engine gets a copy of the network with batch normalization folded. It is created
/// when scores are first requested: most networks of a pipeline only lead to others, and nobody reads their scores.
/// Thread-safe, disposing included: what is running ends in order, and what comes later is refused.
/// </summary>
internal sealed class NetworkScorer : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Func<ScoringEngine> _makeEngine;
    private readonly UseCount _uses;
    private ScoringEngine? _engine;
    private readonly bool _softmax;

    /// <summary>The batch size that the network was exported for; null if it takes any.</summary>
    private readonly int? _fixedBatch;
    private readonly long[] _inputShape;
    private readonly long[] _scoreShape;

    /// <summary>Prepares a network, and finds the shape of its scores by computing them for rows of zeros.</summary>
    /// <param name="network">The network, which is disposed with this scorer; the caller's if this fails.</param>
    /// <param name="inputShape">The shape of the input without the batch.</param>
    /// <param name="softmax">Whether the scores become probabilities over the first dimension after the batch.</param>
    /// <param name="engine">The engine that computes.</param>
    /// <param name="threads">The number of ONNX Runtime's threads; null for its own choice.</param>
    /// <param name="refusal">Makes the exception of who comes after disposing.</param>
    /// <exception cref="InvalidOperationException">
    /// The network cannot compute, the requested engine does not take it, or its output does not have one row for every
    /// input row.
    /// </exception>
    public NetworkScorer(
        Network network, long[] inputShape, bool softmax, ScoringEngineKind engine, int? threads,
        Func<ObjectDisposedException>? refusal = null)
    {
        _softmax = softmax;
        _inputShape = inputShape;
        InputSize = checked((int)TensorShape.ElementCount(inputShape)!.Value);
        _fixedBatch = network.Graph.Inputs[0].Shape[0] is > 0 and var batch ? checked((int)batch) : null;
        (_scoreShape, MaxRows) = FindScoreShape(network);
        ScoreSize = checked((int)TensorShape.ElementCount(_scoreShape)!.Value);
        _makeEngine = () => MakeEngine(network, engine, threads);
        _uses = new UseCount(
            refusal ?? (() => new ObjectDisposedException(GetType().FullName)),
            () =>
            {
                _engine?.Dispose();
                network.Dispose();
            });
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

    /// <summary>The most rows that are computed together, so that no value takes more than is allowed.</summary>
    public int MaxRows { get; }

    /// <summary>Allocates memory for the inputs of some rows, owned by the caller.</summary>
    public torch.Tensor NewBatch(int rows) =>
        torch.empty([rows, .. _inputShape], torch.ScalarType.Float32).DetachFromDisposeScope();

    /// <summary>Gets the input of one row in a batch.</summary>
    public Span<float> Row(torch.Tensor batch, int row) =>
        MemoryMarshal.Cast<byte, float>(batch.bytes).Slice(row * InputSize, InputSize);

    /// <summary>Keeps the network and its engine until the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The scorer has been disposed.</exception>
    public UseCount.Use Use() => _uses.Begin();

    /// <summary>Computes the scores of the first rows of a batch. Those of a row that is not finite are NaN.</summary>
    /// <param name="batch">The inputs, from <see cref="NewBatch"/>.</param>
    /// <param name="rows">How many rows to score.</param>
    /// <param name="scores">Receives the scores, row after row.</param>
    /// <exception cref="ObjectDisposedException">The scorer has been disposed.</exception>
    public void Score(torch.Tensor batch, int rows, Span<float> scores)
    {
        using var use = Use();
        using var scope = torch.NewDisposeScope();
        var unknown = ClearNotFinite(batch, rows);
        var step = _fixedBatch ?? Math.Min(rows, MaxRows);
        for (var start = 0; start < rows; start += step)
        {
            var count = Math.Min(step, rows - start);
            var input = batch.narrow(0, start, count);
            if (count < step)
                input = torch.cat([input, Zeros(step - count)]);
            using var output = Engine().Forward(input);
            Copy(output, count, scores.Slice(start * ScoreSize, count * ScoreSize));
        }
        foreach (var row in unknown)
            scores.Slice(row * ScoreSize, ScoreSize).Fill(float.NaN);
    }

    /// <summary>Frees the engine and the network; where another thread scores, as soon as it has ended.</summary>
    public void Dispose() => _uses.Close();

    /// <summary>
    /// Finds the rows whose input is not finite, and empties them. Engines make of such values what they like: rounding
    /// to integers and maxima make numbers of them, and in a batch they may reach other rows.
    /// </summary>
    private List<int> ClearNotFinite(torch.Tensor batch, int rows)
    {
        var unknown = new List<int>();
        for (var row = 0; row < rows; row++)
        {
            var values = Row(batch, row);
            if (!FiniteCheck.AreFinite(values))
            {
                values.Clear();
                unknown.Add(row);
            }
        }
        return unknown;
    }

    private torch.Tensor Zeros(int rows) => torch.zeros([rows, .. _inputShape], torch.ScalarType.Float32);

    private ScoringEngine Engine()
    {
        lock (_lock)
        {
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

    /// <summary>
    /// Computes rows of zeros, and finds the shape of the scores of a row and how many rows fit together.
    /// </summary>
    private (long[] Shape, int MaxRows) FindScoreShape(Network network)
    {
        using var scope = torch.NewDisposeScope();
        var rows = _fixedBatch ?? 2;
        // What is read from a file was checked as far as its sizes are known; images give the rest.
        var bytes = (decimal)InputSize * sizeof(float) * (_fixedBatch ?? 1);
        if (bytes > network.MaxValueSize)
        {
            throw new InvalidOperationException(
                $"The network's input takes {bytes} bytes for "
                + $"{(_fixedBatch is { } batch ? $"the {batch} rows that it was exported for" : "a row")}, more than the "
                + $"{network.MaxValueSize} that {nameof(Network.MaxValueSize)} allows.");
        }
        var largest = 1L;
        var context = new ComputeContext(ForwardMode.Inference, network.Device)
        {
            Watch = (_, value) => largest = Math.Max(largest, value.numel() * value.element_size()),
        };
        var scores = network.Run([Zeros(rows)], context)[0];
        var fitting = (int)Math.Min(int.MaxValue, network.MaxValueSize / Math.Max(1, largest / rows));
        return scores.dim() >= 2 && scores.shape[0] == rows
            ? (scores.shape[1..], Math.Max(1, fitting))
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

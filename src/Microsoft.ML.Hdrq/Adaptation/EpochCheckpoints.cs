using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// Keeps where fine-tuning is after its last finished epoch: weights and statistics, the state of the optimizer, of the
/// objective and of dropout's generator, and the best network so far where there are rows to validate on. What else an epoch draws comes
/// from a generator of its own.
/// </summary>
internal sealed class EpochCheckpoints
{
    private const string Part = "epoch";

    private readonly CheckpointStore? _store;
    private readonly Network _network;
    private readonly IReadOnlyList<Parameter> _weights;
    private readonly torch.optim.Optimizer _optimizer;
    private readonly torch.Generator _dropout;
    private readonly TrainingObjective _objective;
    private readonly Validation? _validation;

    /// <summary>The checkpoint of one training.</summary>
    /// <param name="job">What the result depends on; not asked for where there is no folder.</param>
    /// <param name="options">The training options, which name the folder.</param>
    /// <param name="network">The network that is trained.</param>
    /// <param name="weights">The weights that the optimizer changes, in its order.</param>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="dropout">The generator of dropout.</param>
    /// <param name="objective">What is learned.</param>
    /// <param name="validation">The rows to validate on; null for none.</param>
    /// <param name="warn">Told once that nothing can be written; null if nobody asks.</param>
    public EpochCheckpoints(
        Func<JobHash> job, AdaptationOptions options, Network network, IReadOnlyList<Parameter> weights,
        torch.optim.Optimizer optimizer, torch.Generator dropout, TrainingObjective objective, Validation? validation,
        Action<string>? warn)
    {
        _store = CheckpointStore.Open(options.CheckpointDirectory, job, warn);
        (_network, _weights, _optimizer) = (network, weights, optimizer);
        (_dropout, _objective, _validation) = (dropout, objective, validation);
    }

    private IEnumerable<string> Names => _network.Parameters.Keys;

    private IEnumerable<OptimizerState> States =>
        ((OptimizerHelper)_optimizer).state_dict().State.Cast<OptimizerState>();

    /// <summary>Goes on from the checkpoint, if there is one.</summary>
    /// <returns>The number of finished epochs, and whether training goes on after them.</returns>
    public (int Epochs, bool GoesOn) Restore()
    {
        var (epochs, goesOn) = (0, true);
        _store?.TryRead(Part, reader =>
        {
            var (kept, keptGoesOn) = (reader.ReadInt32(), reader.ReadBoolean());
            var copy = reader.ReadParameters(_network, Names);
            using var generator = _dropout.get_state();
            var dropout = reader.ReadTensor(generator);
            List<Action> others =
            [
                .. States.Zip(_weights, (state, weight) => Read(reader, state, weight)),
                _objective.Read(reader),
                .. _validation is null ? [] : new[] { _validation.Read(reader, _network) },
            ];
            return () =>
            {
                (epochs, goesOn) = (kept, keptGoesOn);
                copy(_network);
                using var state = dropout.ToTorch();
                _dropout.set_state(state);
                others.ForEach(takeOver => takeOver());
            };
        });
        return (epochs, goesOn);
    }

    /// <summary>Keeps the state after an epoch.</summary>
    /// <param name="epochs">The number of finished epochs.</param>
    /// <param name="goesOn">Whether training goes on after them.</param>
    public void Save(int epochs, bool goesOn) => _store?.Write(Part, writer =>
    {
        writer.Write(epochs);
        writer.Write(goesOn);
        writer.WriteParameters(_network, Names);
        using var generator = _dropout.get_state();
        writer.WriteTensor(generator);
        foreach (var state in States)
            Write(writer, state);
        _objective.Write(writer);
        _validation?.Write(writer);
    });

    private static void Write(BinaryWriter writer, OptimizerState state)
    {
        switch (state)
        {
            case SGD.State sgd:
                writer.Write(sgd.momentum_buffer is not null);
                if (sgd.momentum_buffer is { } momentum)
                    writer.WriteTensor(momentum);
                break;
            case AdamW.State adam:
                writer.Write(adam.step);
                writer.WriteTensor(adam.exp_avg);
                writer.WriteTensor(adam.exp_avg_sq);
                break;
            default:
                throw new NotSupportedException($"The state of {state.GetType()} cannot be kept.");
        }
    }

    private static Action Read(BinaryReader reader, OptimizerState state, Parameter weight)
    {
        switch (state)
        {
            case SGD.State sgd:
                if (!reader.ReadBoolean())
                    return () => { };
                var momentum = reader.ReadTensor(weight);
                return () =>
                {
                    // It is there only after the first step.
                    sgd.momentum_buffer = torch.zeros_like(weight, requires_grad: false).DetachFromDisposeScope();
                    sgd.momentum_buffer.Take(momentum);
                };
            case AdamW.State adam:
                var (step, mean, square) = (reader.ReadInt64(), reader.ReadTensor(weight), reader.ReadTensor(weight));
                return () =>
                {
                    adam.step = step;
                    adam.exp_avg.Take(mean);
                    adam.exp_avg_sq.Take(square);
                };
            default:
                throw new NotSupportedException($"The state of {state.GetType()} cannot be kept.");
        }
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// Keeps where fine-tuning is after its last finished epoch: weights and statistics, the state of the optimizer, of the
/// objective and of dropout's generator, and the best network so far where there are rows to validate on. What else an
/// epoch draws comes from a generator of its own.
/// </summary>
internal sealed class EpochCheckpoints
{
    private const string Part = "epoch";

    private readonly CheckpointStore? _store;
    private readonly Network _network;
    private readonly IReadOnlyList<ParameterOptimizer> _optimizers;
    private readonly torch.Generator _dropout;
    private readonly TrainingObjective _objective;
    private readonly Validation? _validation;

    /// <summary>The checkpoint of one training.</summary>
    /// <param name="job">What the result depends on; not asked for where there is no folder.</param>
    /// <param name="options">The training options, which name the folder.</param>
    /// <param name="network">The network that is trained.</param>
    /// <param name="optimizers">The optimizers of its weights.</param>
    /// <param name="dropout">The generator of dropout.</param>
    /// <param name="objective">What is learned.</param>
    /// <param name="validation">The rows to validate on; null for none.</param>
    /// <param name="warn">Told once that nothing can be written; null if nobody asks.</param>
    public EpochCheckpoints(
        Func<JobHash> job, AdaptationOptions options, Network network,
        IReadOnlyList<ParameterOptimizer> optimizers, torch.Generator dropout, TrainingObjective objective,
        Validation? validation, Action<string>? warn)
    {
        _store = CheckpointStore.Open(options.CheckpointDirectory, job, warn);
        (_network, _optimizers) = (network, optimizers);
        (_dropout, _objective, _validation) = (dropout, objective, validation);
    }

    private IEnumerable<string> Names => _network.Parameters.Keys;

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
                .. _optimizers.Select(optimizer => optimizer.Read(reader)),
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
        foreach (var optimizer in _optimizers)
            optimizer.Write(writer);
        _objective.Write(writer);
        _validation?.Write(writer);
    });
}

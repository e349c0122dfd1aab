using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// What a network learns, and which part of it: all that differs between the methods of adapting, which share one loop,
/// <see cref="FineTuning"/>.
/// </summary>
internal abstract class TrainingObjective : IDisposable
{
    /// <summary>
    /// The labels, which are moved with the images they belong to, [images] or [images, height, width]; null if
    /// the objective has none.
    /// </summary>
    public virtual torch.Tensor? Labels => null;

    /// <summary>The mode of the pass that gradients go back through.</summary>
    public virtual ForwardMode Mode => ForwardMode.Gradient;

    /// <summary>Whether a weight is trained.</summary>
    public virtual bool Trains(string weight) => true;

    /// <summary>The initial learning rate of a weight.</summary>
    /// <param name="weight">Its name.</param>
    /// <param name="values">Its values before training.</param>
    /// <param name="rate">The rate that the options give it.</param>
    public virtual double Rate(string weight, torch.Tensor values, double rate) => rate;

    /// <summary>Prepares what the next epoch needs.</summary>
    /// <param name="network">The network that is trained.</param>
    /// <param name="cancellationToken">Cancels between two batches.</param>
    public virtual void StartEpoch(Network network, CancellationToken cancellationToken)
    {
    }

    /// <summary>Computes the loss of a batch.</summary>
    /// <param name="network">The network that is trained; it gives logits.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="mode">The purpose of the pass.</param>
    /// <param name="dropout">The source of randomness of dropout.</param>
    /// <returns>The loss, a scalar; null if there is nothing to learn from the batch.</returns>
    public abstract torch.Tensor? Loss(
        Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout);

    /// <summary>Follows the network after a step.</summary>
    /// <param name="network">The network that is trained.</param>
    public virtual void EndStep(Network network)
    {
    }

    /// <summary>
    /// Adds what is learned from, but for the images and their labels, to what identifies the training.
    /// </summary>
    /// <param name="job">The hash of all that the result depends on.</param>
    public virtual void Identify(JobHash job)
    {
    }

    /// <summary>Writes what the objective keeps from one epoch to the next.</summary>
    public virtual void Write(BinaryWriter writer)
    {
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <returns>Takes it over; nothing changes before that.</returns>
    public virtual Action Read(BinaryReader reader) => static () => { };

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

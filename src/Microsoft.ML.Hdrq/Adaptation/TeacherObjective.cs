using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Learns the probabilities that another network gives the same images.</summary>
internal sealed class TeacherObjective : TrainingObjective
{
    private readonly Network _teacher;

    /// <summary>Takes a teacher.</summary>
    /// <param name="teacher">The network to learn from, on the device to train on; the caller keeps it.</param>
    public TeacherObjective(Network teacher) => _teacher = Logits.Copy(teacher, teacher.Device);

    public override torch.Tensor? Loss(
        Network network, TrainingBatch batch, ForwardMode mode, torch.Generator dropout) =>
        UnlabelledLosses.SoftCrossEntropy(
            network.Forward(batch.Images, mode, dropout), _teacher.Forward(batch.Images).softmax(1));

    public override void Identify(JobHash job) => job.Add(_teacher);

    public override void Dispose()
    {
        _teacher.Dispose();
        base.Dispose();
    }
}

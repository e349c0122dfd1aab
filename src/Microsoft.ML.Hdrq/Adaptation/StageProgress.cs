namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Reports one of several trainings as part of the whole.</summary>
/// <param name="whole">Receives the reports.</param>
/// <param name="stepsBefore">The steps of the trainings before.</param>
/// <param name="epochsBefore">The epochs of the trainings before.</param>
/// <param name="stepsAfter">The steps of the trainings after.</param>
internal sealed class StageProgress(
    IProgress<FineTuningProgress> whole, int stepsBefore, int epochsBefore, int stepsAfter)
    : IProgress<FineTuningProgress>
{
    public void Report(FineTuningProgress value) => whole.Report(new FineTuningProgress(
        stepsBefore + value.Step, stepsBefore + value.Steps + stepsAfter, value.Loss, epochsBefore + value.Epoch,
        value.ValidationAccuracy));
}

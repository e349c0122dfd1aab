using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq distill</c>: a merged draft, trained at one place after another.</summary>
internal static class DistillCommand
{
    public static CliCommand Create(Action<Work> run)
    {
        var place = new PlaceArguments("The merged draft, an ONNX file of hdrq merge --keep-moments or of this command.");
        var output = Arguments.NewFile("--output", "The ONNX file to write.", ".onnx", isRequired: true);
        var steps = Arguments.OptionalInteger("--steps", "Steps of training. Default: 300.", 1, 1_000_000);
        var rate = Arguments.OptionalNumber(
            "--rate", "Learning rate. Default: 0.0002, and 0.001 for weights of at most 3 bits.", double.Epsilon, 100);
        var noFlip = AdaptCommand.NoFlip();
        var last = new Option<bool>("--last")
        {
            Arity = ArgumentArity.Zero,
            Description = "This place is the last one: the network is written without the moments of the others.",
        };
        var gpu = CommonArguments.Gpu();
        var command = place.Command(
            "distill", "Trains a merged draft on a place's images, without labels, to give there what the place's own "
            + "network gives, and holds it to what it gives at the other places. The draft goes from place to place.",
            output, steps, rate, noFlip, last, gpu);
        command.SetAction(result => run(new(place.IsJson(result), session =>
        {
            var target = result.GetValue(output)!;
            using var work = place.Open(
                result, target, Devices.Context(place.Seed(result), result.GetValue(gpu), session.Output.Warn));
            var standard = new DistillationOptions();
            using var trained = session.Output.WithProgress(board =>
            {
                var bar = board.Add($"distilling {work.Name} on {work.Used}");
                var made = work.Do(session, (context, pixels, rows) => context.Model.DistillAtPlace(
                    pixels, PixelPipeline.Pixels, work.Draft, work.Own,
                    standard with
                    {
                        Steps = result.GetValue(steps) ?? standard.Steps,
                        LearningRate = result.GetValue(rate) ?? standard.LearningRate,
                        HorizontalFlip = !result.GetValue(noFlip),
                        CheckpointDirectory = CheckpointFolder.Of(target),
                        Progress = bar.Reports<FineTuningProgress>(MergeJob.State),
                    },
                    !result.GetValue(last), rows));
                NetworkFiles.Save(made, target, session.Output);
                bar.Complete();
                return made;
            });
            NetworkFiles.SayKernels(trained, target, session.Output);
            PlaceArguments.WarnOfFew(work.Images, "this place", session.Output.Warn);
            var report = DistillationReport.Of(trained)[^1];
            session.Output.Say(string.Create(
                CultureInfo.InvariantCulture,
                $"It finds the class that the place's own network finds for {report.AgreementAfter:P1} of these images, and "
                + $"found it before for {report.AgreementBefore:P1}."));
            if (report.AgreementAfter < report.AgreementBefore)
            {
                session.Output.Warn(
                    "Training made the network worse at this place: go on with the draft as it was, or train again with a "
                    + "lower --rate.");
            }
            session.Output.Say($"Written: {target}" + (result.GetValue(last) ? ", for ONNX Runtime."
                : $", with the moments of all places. Next: hdrq distill {ShellText.Quoted(target)} at the next place, with "
                + "--last at the last one."));
        })));
        return command;
    }
}

using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq measure</c>: what a place says of a merged draft, in place of its images.</summary>
internal static class MeasureCommand
{
    /// <summary>The ending of files of moments.</summary>
    public const string Ending = ".moments";

    public static CliCommand Create(Action<Work> run)
    {
        var place = new PlaceArguments("The merged draft, an ONNX file of hdrq merge.");
        var output = Arguments.NewFile("--output", "The file to write.", Ending, isRequired: true);
        var command = place.Command(
            "measure", "Measures the next layers of a merged draft on a place's images, so that the centre can merge "
            + "them again with hdrq merge --draft: sums over all images leave the place.", output);
        command.SetAction(result => run(new(place.IsJson(result), session =>
        {
            var target = result.GetValue(output)!;
            using var work = place.Open(result, target, Devices.Context(place.Seed(result), null));
            using var moments = session.Output.WithProgress(board =>
            {
                var bar = board.Add($"measuring {work.Name} on {work.Used}");
                var measured = work.Do(session, (context, pixels, rows) => context.Model.MeasureForMerge(
                    pixels, PixelPipeline.Pixels, work.Draft, work.Own, rows));
                measured.Save(target);
                session.Output.Event("written", () => new JsonObject
                {
                    ["moments"] = target,
                    ["bytes"] = new FileInfo(target).Length,
                    ["step"] = measured.Step + 1,
                    ["steps"] = measured.Steps,
                    ["images"] = measured.Images,
                });
                bar.Complete();
                return measured;
            });
            session.Output.Say(
                $"Written: {target}, step {moments.Step + 1} of {moments.Steps}, sums over {moments.Images} images, whole and "
                + "without noise, whatever the place's own network was told to send. "
                + "Next: send it to the centre, for hdrq merge --draft.");
        })));
        return command;
    }
}

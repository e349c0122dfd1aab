using System.CommandLine;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
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
        var draft = new Argument<string>("draft") { Description = "The merged draft, an ONNX file of hdrq merge." };
        draft.CustomParser = result => Arguments.ParseFile(result, "draft", result.Tokens[^1].Value);
        var network = Arguments.File(
            "--network", "ONNX file of the place's own network, one of those that were merged.", isRequired: true);
        var data = Arguments.Folder(
            "--data", "Images of the place, without labels: any folder of images, or that of a domain, whose training "
            + "images are taken, or of several with --domain.", isRequired: true);
        var domain = new Option<string?>("--domain") { Description = "The place, where --data has several." };
        var output = Arguments.NewFile("--output", "The file to write.", Ending, isRequired: true);
        var (seed, threads, json) =
            (CommonArguments.Seed(), CommonArguments.TrainingThreads(), CommonArguments.Json());
        var command = new CliCommand(
            "measure", "Measures the next layers of a merged draft on a place's images, so that the centre can merge "
            + "them again with hdrq merge --draft: sums over all images leave the place.")
        { draft, network, data, domain, output, seed, threads, json };
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var target = result.GetValue(output)!;
            Arguments.CheckApart(target, [result.GetValue(draft), result.GetValue(network)]);
            var images = DomainLayout.UnlabelledImages(result.GetValue(data)!, result.GetValue(domain));
            PixelPipeline.CheckImages(images);
            using var merged = Network.LoadOnnx(result.GetValue(draft)!);
            using var own = Network.LoadOnnx(result.GetValue(network)!);
            var (height, width) = PixelPipeline.InputSize(merged, () => images[0]);
            var context = Devices.Context(result.GetValue(seed), null);
            var pixels = new PixelPipeline(context, height, width);
            using var moments = session.Output.WithProgress(board =>
            {
                var bar = board.Add($"measuring {Path.GetFileName(result.GetValue(draft))}");
                MergeMoments measured;
                try
                {
                    measured = context.Model.MeasureForMerge(
                        pixels.Read(images, session.CancellationToken), PixelPipeline.Pixels, merged, own,
                        new()
                        {
                            Seed = result.GetValue(seed),
                            Threads = result.GetValue(threads),
                            CancellationToken = session.CancellationToken,
                        });
                }
                catch (ArgumentException exception)
                {
                    throw new InvalidDataException(Arguments.Sentence(exception), exception);
                }
                measured.Save(target);
                bar.Complete();
                return measured;
            });
            session.Output.Say(
                $"Written: {target}, step {moments.Step + 1} of {moments.Steps}, sums over {moments.Images} images. "
                + "Next: send it to the centre, for hdrq merge --draft.");
        })));
        return command;
    }
}

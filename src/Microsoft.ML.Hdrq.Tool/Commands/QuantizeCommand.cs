using System.CommandLine;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq quantize</c>: a network of integers, on the images of one place; labels are not read.</summary>
internal static class QuantizeCommand
{
    public static CliCommand Create(Action<Work> run)
    {
        var data = Arguments.Folder(
            "--data", "Images of the place, without labels: any folder of images, or that of a domain, whose training "
            + "images are taken, or of several with --domain.", isRequired: true);
        var domain = new Option<string?>("--domain") { Description = "The place, where --data has several." };
        var network =
            Arguments.File(
                "--network", "ONNX file of the network to quantize, adapted to the place.", isRequired: true);
        var source =
            Arguments.File(
                "--source", "ONNX file of the source network, which all places share. Without it a network may not "
                + "merge well: nothing keeps it near the others.");
        var normalization = CommonArguments.NormalizationOption("none.");
        var scores = CommonArguments.Scores();
        var method =
            Arguments.Choice(
                "--method", $"How to quantize: {string.Join(", ", MethodChoice.All.Select(choice => choice.Name))}. "
                + "Default: hdrq.", [.. MethodChoice.All.Select(choice => choice.Name)]);
        var bits = Arguments.Bits("Bits of weights and activations, 2 to 8. All places need the same. Default: 4,4.");
        var average =
            Arguments.OptionalNumber(
                "--average-bits",
                "Average bits of weights, which are shared out among layers by the source network's weights, and so "
                + "alike in all places; such as 3.5.", 2, 8);
        var (settings, iterations, calibration) =
            (CommonArguments.Settings(), CommonArguments.Iterations(), CommonArguments.CalibrationImages());
        var batchSize =
            Arguments.OptionalInteger(
                "--batch-size", "Images in a step, and looked at together where ranges are chosen; fewer take less "
                + "memory. Default: 16, or that of the settings.", 1, CommonArguments.LargestBatch);
        var output = Arguments.NewFile("--output", "The ONNX file to write.", ".onnx", isRequired: true);
        var (seed, gpu, json) = (CommonArguments.Seed(), CommonArguments.Gpu(), CommonArguments.Json());
        var threads = CommonArguments.TrainingThreads();
        bits.Arity = ArgumentArity.ExactlyOne;
        bits.AllowMultipleArgumentsPerToken = false;
        var command =
            new CliCommand(
                "quantize", "Quantizes a network on unlabelled images of one place, so that it can be merged with "
                + "those of other places.")
        {
            data, domain, network, source, normalization, scores, method, bits, average, settings, iterations, calibration,
                batchSize, output, seed, threads, gpu, json,
        };
        var sent = new MomentsArguments(hasNoise: true);
        foreach (var option in sent.Options)
            command.Add(option);
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var (folder, path, target) = (result.GetValue(data)!, result.GetValue(network)!, result.GetValue(output)!);
            Arguments.CheckApart(target, path, result.GetValue(source));
            var images = DomainLayout.UnlabelledImages(folder, result.GetValue(domain));
            var loading = new OnnxLoadOptions { Output = result.GetValue(scores) };
            using var file = Network.LoadOnnx(path, loading);
            var task = VisionTask.Of(file);
            var preset = result.GetValue(settings) == "paper" ? HdrqOptions.Paper : task.Quantization;
            var plan = MethodChoice.Named(result.GetValue(method) ?? "hdrq")[0].Plan(
                preset with
                {
                    // The paper has none; who asks for some gets them.
                    Moments = sent.Value(result) ?? preset.Moments,
                    Training = preset.Training with
                    {
                        Iterations = result.GetValue(iterations) ?? preset.Training.Iterations,
                        BatchSize = result.GetValue(batchSize) ?? preset.Training.BatchSize,
                    },
                    Calibration = preset.Calibration with
                    {
                        BatchSize = result.GetValue(batchSize) ?? preset.Calibration.BatchSize,
                    },
                },
                result.GetValue(bits) is [var pair, ..] ? pair : (4, 4),
                    result.GetValue(seed)) with
            { AverageBits = result.GetValue(average) };
            if (plan.AverageBits is not null && result.GetValue(source) is null)
                throw new UsageException(
                    "--average-bits needs --source: bits follow from the source network's weights, so that all places "
                    + "have the same.");
            if (result.GetValue(source) is { } common)
                CheckSource(common, path, file, loading);
            var (height, width) = PixelPipeline.InputSize(file, () => images[0]);
            // A model that reads files needs a size where the network takes any.
            var isOpen = file.Graph.Inputs[0].Shape[2..].ToArray().Any(size => size < 0);
            PixelPipeline.CheckImages(images);
            var context = Devices.Context(plan.Seed, result.GetValue(gpu), session.Output.Warn);
            var pixels = new PixelPipeline(context, height, width);
            var steps = new NetworkSteps(context, pixels, plan.Seed, result.GetValue(threads));
            var scale = CommonArguments.Normalization(result.GetValue(normalization));
            if (result.GetValue(source) is null)
                session.Output.Warn(
                    "Without --source nothing keeps this network near those of other places; networks that are to be "
                    + "merged need it.");
            var quantized = session.Output.WithProgress(board =>
            {
                using var adapted = steps.Read(path, scale, scores: loading.Output);
                using var common = result.GetValue(source) is { } sourcePath
                    ? steps.Read(sourcePath, scale, scores: loading.Output)
                    : null;
                var used = Math.Min(
                    images.Count, result.GetValue(calibration) ?? CommonArguments.StandardCalibrationImages);
                var bar = board.Add($"quantizing {Path.GetFileName(path)} on {used} of {images.Count} images");
                var made = steps.Quantize(adapted, pixels.Read(images, session.CancellationToken),
                    plan.For(common ?? adapted) with
                    {
                        Source = common,
                        CheckpointDirectory = CheckpointFolder.Of(target),
                        Progress = bar.Reports<QuantizationProgress>(MergeJob.State)
                    },
                    plan.Seed, result.GetValue(calibration), session.CancellationToken);
                NetworkFiles.Save(made, target, session.Output);
                bar.Complete();
                return made;
            });
            using (quantized)
                NetworkFiles.SayKernels(quantized, target, session.Output);
            session.Output.Say(
                $"Written: {target}. Next: send it to the centre, for hdrq merge {ShellText.Quoted(target)} OTHER.onnx "
                + $"--output merged.onnx --zip merged.zip{(isOpen ? $" --size {height}" : "")}.");
        })));
        return command;
    }

    private static void CheckSource(string source, string path, Network network, OnnxLoadOptions loading)
    {
        using var common = Network.LoadOnnx(source, loading);
        if (Ends(common) is var ends && ends != Ends(network))
            throw new InvalidDataException(
                $"'{source}' is not the source network of '{path}': it turns {ends}, and that {Ends(network)}.");

        static string Ends(Network network) =>
            $"{Shape(network.Graph.Inputs[0])} into {Shape(network.Graph.Outputs[0])}";

        static string Shape(GraphValue value) =>
            $"[{string.Join(", ", value.Shape.ToArray())}]".Replace("-1", "?", StringComparison.Ordinal);
    }
}

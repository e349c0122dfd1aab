using System.CommandLine;
using Microsoft.ML.Hdrq.Pipeline;
using Spectre.Console;

namespace ImageClassificationMerge;

/// <summary>The sample's command line.</summary>
internal static class CommandLine
{
    public static RootCommand Create()
    {
        var data = new Option<string?>("--data") { Description = "Folder of images: <domain>/<train|test>/<class>/<image>, the source domain first (clean, clear, or the first by name). Without it the sample draws traffic signs." };
        var network = new Option<string?>("--network") { Description = "ONNX file of the source network. Without it the sample trains a ResNet-14 on the source domain." };
        var normalization = new Option<string?>("--normalization") { Description = "What the network wants of the pixels: imagenet (mean and deviation of ImageNet) or none (0 to 255). Default: none with --network, imagenet without." };
        var stage = new Option<string>("--stage") { Description = "Stop after this stage.", DefaultValueFactory = _ => "source" };
        var output = new Option<string?>("--output") { Description = "Folder for results.json and the networks." };
        var seed = new Option<int>("--seed") { Description = "Seed of images, weights and orders.", DefaultValueFactory = _ => 1 };
        var batchSize = new Option<int>("--batch-size") { Description = "Images scored at once.", DefaultValueFactory = _ => 32 };
        var gpu = new Option<int?>("--gpu") { Description = "Number of the GPU to use. Without it the CPU is used." };
        normalization.AcceptOnlyFromAmong("imagenet", "none");
        stage.AcceptOnlyFromAmong("source");
        var command = new RootCommand("Serves many domains with one small network. This version measures the source network in every domain.")
        {
            data, network, normalization, stage, output, seed, batchSize, gpu,
        };
        command.SetAction((result, cancellationToken) => Task.Run(() => Run(new SampleOptions
        {
            Data = result.GetValue(data),
            Network = result.GetValue(network),
            Normalization = (result.GetValue(normalization) ?? (result.GetValue(network) is null ? "imagenet" : "none")) == "imagenet" ? ChannelNormalization.ImageNet() : null,
            Output = result.GetValue(output),
            Seed = result.GetValue(seed),
            BatchSize = result.GetValue(batchSize),
            GpuDeviceId = result.GetValue(gpu),
        }, cancellationToken)));
        return command;
    }

    private static int Run(SampleOptions options, CancellationToken cancellationToken)
    {
        try
        {
            new Sample(options, AnsiConsole.Console).Run(cancellationToken);
            return 0;
        }
        catch (OperationCanceledException)
        {
            AnsiConsole.MarkupLine("[yellow]Cancelled.[/]");
            return 130;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or NotSupportedException or ArgumentException or InvalidOperationException or UnauthorizedAccessException)
        {
            AnsiConsole.MarkupLineInterpolated($"[red]{exception.Message}[/]");
            return 1;
        }
    }
}

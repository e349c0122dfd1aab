using System.CommandLine;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq adapt</c>: a network for the labelled images of one place.</summary>
internal static class AdaptCommand
{
    /// <summary>Passes over the images.</summary>
    public static Option<int?> Epochs(string name) =>
        Arguments.OptionalInteger(
            name, "Passes over a domain's images to adapt the source network. Default: 6, for segmentation 10.", 1,
            int.MaxValue);

    /// <summary>The learning rate.</summary>
    public static Option<double?> Rate(string name) =>
        Arguments.OptionalNumber(
            name, "Learning rate with which the source network is adapted. Default: one for networks that are trained "
            + "well.", double.Epsilon, 100);

    /// <summary>Images to validate on.</summary>
    public static Option<double?> Validation() =>
        Arguments.OptionalNumber(
            "--validation", "Share of a domain's training images that is not trained on: the epoch that does best on "
            + "them is taken. Default: 0, the last epoch.", 0, 0.9);

    /// <summary>No mirroring.</summary>
    public static Option<bool> NoFlip() =>
        new("--no-flip")
        {
            Arity = ArgumentArity.Zero,
            Description =
        "Do not mirror images in training: for texts, traffic signs and other things that a mirror makes into "
        + "something else."
        };

    /// <summary>Weights of classes.</summary>
    public static Option<bool> BalanceClasses() =>
        new("--balance-classes")
        {
            Arity = ArgumentArity.Zero,
            Description = "Let rare classes count more in training; for images with masks."
        };

    public static CliCommand Create(Action<Work> run)
    {
        var data = Arguments.Folder(
            "--data", $"Folder of the place, <train>/<class>/<image> or <train>/<images|labels>/<frame>, or of several "
            + "with --domain.", isRequired: true);
        var domain = new Option<string?>("--domain") { Description = "The place, where --data has several." };
        var network = new SourceArguments("ONNX file of the source network.", "none.", isRequired: true);
        var (epochs, rate, noFlip, balance) = (Epochs("--epochs"), Rate("--rate"), NoFlip(), BalanceClasses());
        var validation = Validation();
        var output = Arguments.NewFile("--output", "The ONNX file to write.", ".onnx", isRequired: true);
        var (seed, gpu, json) = (CommonArguments.Seed(), CommonArguments.Gpu(), CommonArguments.Json());
        var threads = CommonArguments.TrainingThreads();
        var command =
            new CliCommand("adapt", "Adapts a source network to the labelled training images of one place.") { data,
            domain, epochs, rate, validation, noFlip, balance, output, seed, threads, gpu, json };
        foreach (var option in network.Options)
            command.Add(option);
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var (folder, target) = (result.GetValue(data)!, result.GetValue(output)!);
            Arguments.CheckApart(target, network.Network(result));
            var layout = DomainLayout.FindOne(folder, result.GetValue(domain), DataSplit.Train)
                ?? throw new InvalidDataException(
                    $"'{folder}' holds no training images with labels; expected <train>/<class>/<image>, or "
                    + $"{DomainLayout.Classes}, or the same with masks.");
            var options = network.Into(new JobOptions
            {
                Data = layout.Root,
                SourceEpochs = result.GetValue(epochs),
                SourceLearningRate = result.GetValue(rate),
                AdaptationEpochs = result.GetValue(epochs),
                AdaptationLearningRate = result.GetValue(rate),
                ValidationFraction = result.GetValue(validation),
                Flip = !result.GetValue(noFlip),
                BalanceClasses = result.GetValue(balance),
                Seed = result.GetValue(seed),
                Threads = result.GetValue(threads),
                GpuDeviceId = result.GetValue(gpu),
            }, result);
            using var file = options.LoadNetwork();
            if (options.BalanceClasses && !layout.HasMasks)
                throw new UsageException("--balance-classes is for images with masks.");
            var networks = DomainNetworks.Of(layout, options, file, session.Output.Warn);
            session.Output.WithProgress(board =>
            {
                var bar = board.Add($"adapting to {layout.Domains[0]}");
                var progress = bar.Reports<Adaptation.FineTuningProgress>(MergeJob.State);
                using var adapted = Adapt(
                    networks, options, layout.Domains[0], progress, CheckpointFolder.Of(target),
                    session.CancellationToken);
                NetworkFiles.Save(adapted, target, session.Output);
                bar.Complete();
                return true;
            });
            session.Output.Say(
                $"Written: {target}. Next: hdrq quantize --network {target} --source SOURCE.onnx --data {folder}.");
        })));
        return command;
    }

    private static Network Adapt(
        DomainNetworks networks, JobOptions options, string domain, IProgress<Adaptation.FineTuningProgress> progress,
        string checkpoints, CancellationToken cancellationToken)
    {
        if (options.NewHead)
            return networks.Source(progress, checkpoints, cancellationToken);
        using var source = networks.Read(options.Network!);
        return networks.Adapt(source, domain, progress, checkpoints, cancellationToken);
    }
}

using System.CommandLine;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
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
        var network = Arguments.File("--network", "ONNX file of the source network.", isRequired: true);
        var normalization = CommonArguments.NormalizationOption("none.");
        var (epochs, rate, noFlip, balance) = (Epochs("--epochs"), Rate("--rate"), NoFlip(), BalanceClasses());
        var output = Arguments.NewFile("--output", "The ONNX file to write.", ".onnx", isRequired: true);
        var (seed, gpu, json) = (CommonArguments.Seed(), CommonArguments.Gpu(), CommonArguments.Json());
        var command =
            new CliCommand("adapt", "Adapts a source network to the labelled training images of one place.") { data,
            domain, network, normalization, epochs, rate, noFlip, balance, output, seed, gpu, json };
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var (folder, target) = (result.GetValue(data)!, result.GetValue(output)!);
            Arguments.CheckApart(target, result.GetValue(network));
            var layout = DomainLayout.FindOne(folder, result.GetValue(domain), DataSplit.Train)
                ?? throw new InvalidDataException(
                    $"'{folder}' holds no training images with labels; expected <train>/<class>/<image>, or "
                    + $"{DomainLayout.Classes}, or the same with masks.");
            var options = new JobOptions
            {
                Data = layout.Root,
                Network = result.GetValue(network),
                Normalization = CommonArguments.Normalization(result.GetValue(normalization)),
                AdaptationEpochs = result.GetValue(epochs),
                AdaptationLearningRate = result.GetValue(rate),
                Flip = !result.GetValue(noFlip),
                BalanceClasses = result.GetValue(balance),
                Seed = result.GetValue(seed),
                GpuDeviceId = result.GetValue(gpu),
            };
            using var file = Network.LoadOnnx(options.Network!);
            if (options.BalanceClasses && !layout.HasMasks)
                throw new UsageException("--balance-classes is for images with masks.");
            var networks = DomainNetworks.Of(layout, options, file, session.Output.Warn);
            session.Output.WithProgress(board =>
            {
                using var source = networks.Read(options.Network!);
                var bar = board.Add($"adapting to {layout.Domains[0]}");
                using var adapted =
                    networks.Adapt(
                        source, layout.Domains[0], bar.Reports<Adaptation.FineTuningProgress>(MergeJob.State),
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
}

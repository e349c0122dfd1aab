using System.CommandLine;
using Microsoft.ML.Hdrq.Adaptation;
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

    /// <summary>Whether labels are read.</summary>
    public static Option<string?> Labels() =>
        Arguments.Choice(
            "--labels", "train: adapt with the labels of training images. none: adapt without labels, to the images in any "
            + "folders below train, or, where there is no such folder, below that of the place, but for test. Default: "
            + "train.", "train", "none");

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
            + "with --domain; with --labels none any folder of images.", isRequired: true);
        var domain = new Option<string?>("--domain") { Description = "The place, where --data has several." };
        var network = new SourceArguments("ONNX file of the source network.", "none.", isRequired: false);
        var merged = Arguments.File(
            "--merged", "ONNX file of a quantized network, in place of --network: its scales and biases are brought to "
            + "the images, without labels and without training; its integers stay.");
        var (epochs, rate, noFlip, balance) = (Epochs("--epochs"), Rate("--rate"), NoFlip(), BalanceClasses());
        var (validation, labels) = (Validation(), Labels());
        var output = Arguments.NewFile("--output", "The ONNX file to write.", ".onnx", isRequired: true);
        var (seed, gpu, json) = (CommonArguments.Seed(), CommonArguments.Gpu(), CommonArguments.Json());
        var threads = CommonArguments.TrainingThreads();
        var command =
            new CliCommand("adapt", "Adapts a source network to the training images of one place, with their labels or "
            + "without.") { data,
            domain, labels, epochs, rate, validation, noFlip, balance, output, seed, threads, gpu, json };
        foreach (var option in network.Options)
            command.Add(option);
        command.Add(merged);
        var sent = new MomentsArguments(hasNoise: false);
        foreach (var option in sent.Options)
            command.Add(option);
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var (folder, target) = (result.GetValue(data)!, result.GetValue(output)!);
            Arguments.CheckApart(target, network.Network(result));
            if (result.GetValue(merged) is { } quantized)
            {
                Arguments.CheckApart(target, quantized);
                RefuseTraining();
                var isKept = AdaptWithoutLabels(
                    Asked(folder) with { Network = quantized, Normalization = null }, AdaptationMethod.Statistics);
                session.Output.Say($"Written: {target}{(isKept ? ", the network as it was" : "")}.");
                return;
            }
            if (network.Network(result) is null)
                throw new UsageException("Option '--network' is required, or '--merged'.");
            if (result.GetValue(labels) == "none")
            {
                var asked = Asked(folder);
                RefuseWithoutLabels(asked);
                if (asked.NewHead)
                    throw new UsageException("--labels none: a new head learns from labels only.");
                SayNext(AdaptWithoutLabels(asked, AdaptationMethod.Student));
                return;
            }
            var layout = DomainLayout.FindOne(folder, result.GetValue(domain), DataSplit.Train)
                ?? throw new InvalidDataException(
                    $"'{folder}' holds no training images with labels; expected <train>/<class>/<image>, or "
                    + $"{DomainLayout.Classes}, or the same with masks; --labels none needs none.");
            var options = Asked(layout.Root);
            using var file = options.LoadNetwork();
            if (file is not null)
                CheckQuantized(file, options.Network!, isMerged: false);
            if (options.BalanceClasses && !layout.HasMasks)
                throw new UsageException("--balance-classes is for images with masks.");
            var networks = DomainNetworks.Of(layout, options, file, session.Output.Warn);
            session.Output.WithProgress(board =>
            {
                var bar = board.Add($"adapting to {layout.Domains[0]}");
                var progress = bar.Reports<FineTuningProgress>(MergeJob.State);
                using var adapted = Adapt(
                    networks, options, layout.Domains[0], progress, CheckpointFolder.Of(target),
                    session.CancellationToken);
                NetworkFiles.Save(adapted, target, session.Output);
                bar.Complete();
                return true;
            });
            if (options.NewHead)
            {
                session.Output.Say(
                    $"Written: {target}, a source network. {ShellText.NextAtPlaces(target, Scaled())}");
            }
            else
            {
                SayNext(keptSource: false);
            }

            JobOptions Asked(string root) => network.Into(new JobOptions
            {
                Data = root,
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
                Moments = sent.Value(result),
            }, result);

            // Whether the source was kept.
            bool AdaptWithoutLabels(JobOptions options, AdaptationMethod method)
            {
                using var file = options.LoadNetwork()!;
                CheckQuantized(file, options.Network!, isMerged: method == AdaptationMethod.Statistics);
                var images = DomainLayout.UnlabelledImages(folder, result.GetValue(domain));
                var (height, width) = PixelPipeline.InputSize(file, () => images[0]);
                PixelPipeline.CheckImages(images);
                var context = Devices.Context(options.Seed, options.GpuDeviceId, session.Output.Warn);
                var pixels = new PixelPipeline(context, height, width);
                var steps = new NetworkSteps(context, pixels, options.Seed, options.Threads);
                var training = options.Adapting(VisionTask.Of(file).Adaptation(height));
                return session.Output.WithProgress(board =>
                {
                    using var source = steps.Read(options.Network!, options.Normalization, scores: options.Scores);
                    var bar = board.Add(
                        $"adapting to {(images.Count == 1 ? "1 image" : $"{images.Count} images")} without labels");
                    using var adapted = steps.Adapt(
                        source, pixels.Read(images, session.CancellationToken),
                        training with
                        {
                            Method = method,
                            CheckpointDirectory = CheckpointFolder.Of(target),
                            Progress = bar.Reports<FineTuningProgress>(MergeJob.State),
                        },
                        new(), session.CancellationToken);
                    NetworkFiles.Save(adapted, target, session.Output);
                    bar.Complete();
                    return AdaptationReport.Of(adapted)?.KeptSource is not null;
                });
            }

            void RefuseTraining()
            {
                var training = network.Options.Concat(sent.Options)
                    .Concat([labels, epochs, rate, validation, noFlip, balance])
                    .FirstOrDefault(option => result.GetResult(option) is { Implicit: false }
                        // It has none in any case.
                        && (option != labels || result.GetValue(labels) != "none"));
                if (training is not null)
                    throw new UsageException($"--merged is adapted without training; {training.Name} is not for it.");
            }

            void SayNext(bool keptSource) => session.Output.Say(
                $"Written: {target}{(keptSource ? ", the source network as it was" : "")}. Next: hdrq quantize "
                + $"--network {ShellText.Quoted(target)} --source {ShellText.Quoted(network.Network(result)!)} "
                + $"--data {ShellText.Quoted(folder)} "
                + $"{Place()}{Scaled()}--output QUANTIZED.onnx.");

            string Place() => result.GetValue(domain) is { } place ? $"--domain {ShellText.Quoted(place)} " : "";

            string Scaled() => Asked(folder).Normalization is null ? "" : "--normalization imagenet ";
        })));
        return command;
    }

    /// <summary>Refuses what needs labels where there are none.</summary>
    /// <exception cref="UsageException">It was given.</exception>
    public static void RefuseWithoutLabels(JobOptions options)
    {
        if (options.ValidationFraction is not null)
            throw new UsageException("--validation needs labels, and --labels none reads none.");
        if (options.BalanceClasses)
            throw new UsageException("--balance-classes needs labels, and --labels none reads none.");
    }

    private static void CheckQuantized(Network network, string path, bool isMerged)
    {
        if (network.IsQuantized == isMerged)
            return;
        throw new InvalidDataException(isMerged
            ? $"'{path}' is in full precision; --merged is for quantized networks, and --network with --labels none "
                + "for others."
            : $"'{path}' is quantized, and adapting trains networks in full precision; --merged, in place of "
                + "--network, brings a quantized one to the images without training.");
    }

    private static Network Adapt(
        DomainNetworks networks, JobOptions options, string domain, IProgress<FineTuningProgress> progress,
        string checkpoints, CancellationToken cancellationToken)
    {
        if (options.NewHead)
            return networks.Source(progress, checkpoints, cancellationToken);
        using var source = networks.Read(options.Network!);
        return networks.Adapt(source, domain, progress, checkpoints, cancellationToken);
    }
}

using System.CommandLine;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>
/// The commands that do the whole job on a folder of domains: <c>run</c>, <c>compare</c> and <c>explain</c>.
/// </summary>
internal sealed class JobCommand
{
    private readonly Option<string?> _data =
        Arguments.Folder(
            "--data", $"Folder of images, {DomainLayout.Classes}, or of images and masks, {DomainLayout.Masks}, with "
            + "the names of the classes in classes.txt.", isRequired: true);
    private readonly Option<string?> _source =
        new("--source") { Description = "The source domain. Default: clean, clear or day, or the first by name." };
    private readonly SourceArguments _network =
        new(
            "ONNX file of the source network. Without it a small one is trained on the source domain.",
            "none with --network, imagenet without.", isRequired: false);
    private readonly Option<string?> _architecture =
        Arguments.Choice(
            "--architecture",
            $"What is trained without --network: {Words(VisionTask.Classification)}; for masks "
            + $"{Words(VisionTask.Segmentation)}. Default: the first.",
            [.. VisionTask.Classification.Architectures, .. VisionTask.Segmentation.Architectures]);
    private readonly Option<int?> _epochs =
        Arguments.OptionalInteger(
            "--epochs", "Passes over the source domain's images to train the source network, or its new head. Default: "
            + "8, for segmentation 12.", 1, int.MaxValue);
    private readonly Option<double?> _rate =
        Arguments.OptionalNumber(
            "--rate", "Learning rate with which the source network is trained on the source domain. Default: 0.003, "
            + "for segmentation 0.0003, with a new head; else one for networks that are not trained.",
            double.Epsilon, 100);
    private readonly Option<string?> _labels = AdaptCommand.Labels();
    private readonly Option<string?> _adapted =
        new("--adapted")
        {
            Description = "ONNX files of networks that are adapted already, with {domain} in place of "
        + "the domain. Without it the source network is adapted."
        };
    private readonly Option<int?> _adaptationEpochs = AdaptCommand.Epochs("--adaptation-epochs");
    private readonly Option<double?> _adaptationRate = AdaptCommand.Rate("--adaptation-rate");
    private readonly Option<double?> _validation = AdaptCommand.Validation();
    private readonly Option<bool> _noFlip = AdaptCommand.NoFlip();
    private readonly Option<bool> _balance = AdaptCommand.BalanceClasses();
    private readonly Option<string?> _stage =
        Arguments.Choice(
            "--stage", "Stop after this stage: source, adapted, quantized or merged. Default: merged.",
            [.. Enum.GetNames<Stage>().Select(name => name.ToLowerInvariant())]);
    private readonly Option<string[]> _domains =
        Arguments.Names(
            "--domains", "The domains to serve. Default: all but the source domain, or both where there are two.");
    private readonly Option<string[]> _merge =
        Arguments.Names(
            "--merge", "Which domains' networks to merge, such as fog+night; pairs; all. Default: pairs all.");
    private readonly Option<(int Weights, int Activations)[]> _bits;
    private readonly Option<string[]> _methods;
    private readonly Option<string?> _settings = CommonArguments.Settings();
    private readonly Option<int?> _iterations = CommonArguments.Iterations();
    private readonly Option<int?> _calibration = CommonArguments.CalibrationImages();
    private readonly Option<double[]> _average =
        Arguments.Numbers(
            "--average-bits",
            "Average bits of weights for which HDRQ shares bits out among layers by their sensitivity, besides the "
            + "rest; such as 3.5.", 2, 8, areDistinct: true);
    private readonly Option<string?> _allocation =
        Arguments.Choice(
            "--allocation",
            "By what bits are shared out: source-weights, the weights of the source network, or images, those of the "
            + "first domain, whose bits the others take over. Default: source-weights.", "source-weights", "images");
    private readonly Option<int?> _explain;
    private readonly Option<string?> _output =
        Arguments.NewFolder(
            "--output", "Folder for results.json, the networks, a report and pictures. A run that was stopped goes on "
            + "from what it finds there.");
    private readonly Option<int> _seed = CommonArguments.Seed();
    private readonly Option<int> _batchSize = CommonArguments.BatchSize();
    private readonly Option<int?> _threads = CommonArguments.TrainingThreads();
    private readonly Option<int?> _atOnce =
        Arguments.OptionalInteger(
            "--at-once",
            "Networks that are made at the same time, each on its share of the threads, or on --threads. Default: one "
            + "for each place, as far as there are cores, and 4 GiB of memory for each; 1 with --threads or --gpu.", 1,
            CommonArguments.MostThreads);
    private readonly Option<int?> _gpu = CommonArguments.Gpu();
    private readonly Option<bool> _json = CommonArguments.Json();
    private readonly MomentsArguments _sent = new(hasNoise: true);
    private readonly CliCommand _command;

    private JobCommand(string name, string description, string bits, string methods, string explain)
    {
        _bits = Arguments.Bits($"Bits of weights and activations, 2 to 8, one pair or several. Default: {bits}");
        _methods = Arguments.Choices(
            "--methods",
            $"How to quantize: {string.Join(", ", MethodChoice.All.Select(choice => choice.Name))}. Default: {methods}",
            [.. MethodChoice.All.Select(choice => choice.Name)]);
        _explain = Arguments.OptionalInteger("--explain", explain, 1, int.MaxValue);
        _explain.Arity = ArgumentArity.ZeroOrOne;
        var parser = _explain.CustomParser!;
        _explain.CustomParser = result => result.Tokens.Count == 0 ? null : parser(result);
        _command = new CliCommand(name, description)
        {
            _data, _source, _labels, _architecture, _epochs, _rate, _adapted, _adaptationEpochs, _adaptationRate,
            _validation,
                _noFlip, _balance, _stage, _domains, _merge,
            _bits, _methods, _settings, _iterations, _calibration, _average, _allocation, _explain, _output, _seed,
                _batchSize, _threads, _atOnce, _gpu, _json,
        };
        foreach (var option in _network.Options.Concat(_sent.Options))
            _command.Add(option);
    }

    /// <summary>The whole job.</summary>
    public static CliCommand Run(Action<Work> run)
    {
        var job = new JobCommand(
            "run", "The whole job on a folder of domains: adapts a source network to each domain, quantizes each on "
            + "its own images, merges them, and measures every network.",
            $"{Pairs(VisionTask.Classification)}; for segmentation {Pairs(VisionTask.Segmentation)}.",
                $"{Names(VisionTask.Classification)}; for segmentation {Names(VisionTask.Segmentation)}.",
            "Also look at the networks with this many test images of a domain: curvature, distances, what lies between "
                + "networks, and which layers hurt. 128 if no number is given.");
        job._command.SetAction(
            result => run(new(result.GetValue(job._json), session => job.Do(result, session, null, explains: false))));
        return job._command;
    }

    /// <summary>Every method with every bit width and seed, and their networks merged in every way.</summary>
    public static CliCommand Compare(Action<Work> run)
    {
        var standard = new ComparisonOptions();
        var job = new JobCommand(
            "compare", "Compares methods: every one of --methods with every one of --bits and --seeds, merged in every "
            + "way of --merging, measured on the domains that a network is to serve.",
            $"{string.Join(' ', standard.Bits.Select(Pair))}.",
                $"{string.Join(", ", standard.Methods.Select(method => method.Name))}.",
            "Also look at the networks with this many test images of a domain. 128 if no number is given.");
        var merging =
            Arguments.Choices(
                "--merging",
                $"How to merge: {string.Join(", ", MergingChoice.All.Select(choice => choice.Name))}. Default: all.",
                [.. MergingChoice.All.Select(choice => choice.Name)]);
        var seeds = Arguments.Integers("--seeds", "Seeds of quantization. Default: 1 2 3.", int.MinValue, int.MaxValue);
        job._command.Add(merging);
        job._command.Add(seeds);
        job._command.SetAction(
            result => run(new(result.GetValue(job._json), session => job.Do(result, session, new ComparisonOptions
            {
                Methods = result.GetValue(job._methods) is { Length: > 0 } methods ? MethodChoice.Named(methods)
                : standard.Methods,
                Mergings = result.GetValue(merging) is { Length: > 0 } ways
                ? [.. ways.Select(way => MergingChoice.All.Single(choice => choice.Name == way))] : standard.Mergings,
                Bits = result.GetValue(job._bits) is { Length: > 0 } bits ? bits : standard.Bits,
                Seeds = result.GetValue(seeds) is { Length: > 0 } numbers ? numbers : standard.Seeds,
            }, explains: false))));
        return job._command;
    }

    /// <summary>The whole job, and why it gives what it gives.</summary>
    public static CliCommand Explain(Action<Work> run)
    {
        var job = new JobCommand(
            "explain", "The whole job, and why its networks merge well or badly: curvature, distances, what lies "
            + "between networks, and which layers hurt. With the --output of a run it takes that run's networks.",
            $"{Pairs(VisionTask.Classification)}; for segmentation {Pairs(VisionTask.Segmentation)}.",
                $"{Names(VisionTask.Classification)}; for segmentation {Names(VisionTask.Segmentation)}.",
            "Test images of a domain to look at. Default: 128.");
        job._command.SetAction(
            result => run(new(result.GetValue(job._json), session => job.Do(result, session, null, explains: true))));
        return job._command;
    }

    private void Do(ParseResult result, Session session, ComparisonOptions? comparison, bool explains)
    {
        var layout = DomainLayout.Find(result.GetValue(_data)!, result.GetValue(_source));
        var task = layout.HasMasks ? VisionTask.Segmentation : VisionTask.Classification;
        var (network, architecture) = (_network.Network(result), result.GetValue(_architecture));
        if (architecture is not null && network is not null)
            throw new UsageException(
                "--architecture is what is trained where there is no --network; give one of them.");
        if (architecture is not null && !task.Architectures.Contains(architecture))
            throw new UsageException(
                $"--architecture {architecture}: for {task.Name} it takes {string.Join(", ", task.Architectures)}.");
        if (result.GetValue(_adapted) is not null
            && (result.GetValue(_adaptationEpochs) is not null || result.GetValue(_adaptationRate) is not null))
            throw new UsageException(
                "--adaptation-epochs and --adaptation-rate are for adapting, and --adapted gives networks that are.");
        if (result.GetValue(_balance) && task == VisionTask.Classification)
            throw new UsageException("--balance-classes is for images with masks.");
        var preset = result.GetValue(_settings) == "paper" ? HdrqOptions.Paper : task.Quantization;
        var images = result.GetValue(_explain);
        var moments = _sent.Value(result);
        var readsLabels = result.GetValue(_labels) != "none";
        if (!readsLabels && result.GetValue(_adapted) is not null)
            throw new UsageException("--labels none is for adapting, and --adapted gives networks that are.");
        var options = _network.Into(new JobOptions
        {
            Data = layout.Root,
            Architecture = architecture,
            SourceEpochs = result.GetValue(_epochs),
            SourceLearningRate = result.GetValue(_rate),
            ValidationFraction = result.GetValue(_validation),
            AdaptationEpochs = result.GetValue(_adaptationEpochs),
            AdaptationLearningRate = result.GetValue(_adaptationRate),
            Flip = !result.GetValue(_noFlip),
            BalanceClasses = result.GetValue(_balance),
            Adapted = result.GetValue(_adapted),
            LastStage = result.GetValue(_stage) is { } stage ? Enum.Parse<Stage>(stage, ignoreCase: true)
                : Stage.Merged,
            Domains = result.GetValue(_domains) is { Length: > 0 } names ? names : null,
            Merges = result.GetValue(_merge) is { Length: > 0 } merges ? merges : ["pairs", "all"],
            Methods = result.GetValue(_methods) is { Length: > 0 } methods ? MethodChoice.Named(methods) : task.Methods,
            Bits = result.GetValue(_bits) is { Length: > 0 } pairs ? pairs : task.Bits,
            // Noise is for quantized networks, and must not stand beside the same without.
            Moments = moments?.Noise is null ? moments : SentMoments.Nothing,
            Quantization =
                preset with
                {
                    Moments = moments ?? preset.Moments,
                    Training = preset.Training with
                    {
                        Iterations = result.GetValue(_iterations)
                ?? preset.Training.Iterations
                    }
                },
            CalibrationImages = result.GetValue(_calibration),
            AverageBits = result.GetValue(_average) ?? [],
            Allocation = result.GetValue(_allocation) == "images" ? BitAllocationBasis.Images
                : BitAllocationBasis.SourceWeights,
            Explanation = !explains && result.GetResult(_explain) is null ? null : images is null ? new()
                : new ExplanationOptions { Images = images.Value },
            Output = result.GetValue(_output),
            Seed = result.GetValue(_seed),
            BatchSize = result.GetValue(_batchSize),
            Threads = result.GetValue(_threads),
            AtOnce = result.GetValue(_atOnce),
            GpuDeviceId = result.GetValue(_gpu),
            Comparison = comparison,
        }, result);
        if (options is { Network: not null, NewHead: false, SourceEpochs: not null })
            throw new UsageException(
                "--epochs is for training a source network, and --network gives one; --adaptation-epochs is for "
                + "adapting it.");
        if (options is { Network: not null, NewHead: false, SourceLearningRate: not null })
            throw new UsageException(
                "--rate is for training a source network, and --network gives one; --adaptation-rate is for "
                + "adapting it.");
        if (!readsLabels)
        {
            AdaptCommand.RefuseWithoutLabels(options);
            // A source network, or its new head, learns from the first domain's labels.
            layout = layout with
            {
                Unlabelled = [.. layout.Domains.Skip(options is { Network: not null, NewHead: false } ? 0 : 1)],
            };
        }
        new JobRunner(layout, options, session.Output).Run(session.CancellationToken);
    }

    private static string Words(VisionTask task) => string.Join(", ", task.Architectures);

    private static string Names(VisionTask task) => string.Join(", ", task.Methods.Select(method => method.Name));

    private static string Pairs(VisionTask task) => string.Join(' ', task.Bits.Select(Pair));

    private static string Pair((int Weights, int Activations) bits) =>
        FormattableString.Invariant($"{bits.Weights},{bits.Activations}");
}

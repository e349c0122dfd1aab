using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.FileSystemGlobbing;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq merge</c>: one network of several.</summary>
internal static partial class MergeCommand
{
    /// <summary>Networks that any image size fits are given this size by a model that reads files.</summary>
    private const int LargestSide = 16_384;

    private const int LargestShare = 1_000_000;

    /// <summary>How much of two files is compared at once.</summary>
    private const int ComparedBytes = 1 << 16;

    public static CliCommand Create(Action<Work> run)
    {
        var files = new Argument<string[]>(
            "files")
        {
            Description = "ONNX files of the networks, at least two; patterns such as 'sites/*.onnx' too.",
            Arity = ArgumentArity.OneOrMore
        };
        var output = Arguments.NewFile("--output", "The ONNX file to write.", ".onnx", isRequired: true);
        var zip = Arguments.NewFile(
            "--zip", "Also write an ML.NET model that reads image files, for mlContext.Model.Load.", ".zip");
        var method =
            Arguments.Choice(
                "--merging",
                $"How to merge: {string.Join(", ", MergingChoice.All.Select(choice => choice.Name))}. Default: "
                + $"default, and with --data {MergingChoice.WithImages.Name}.",
                [.. MergingChoice.All.Select(choice => choice.Name)]);
        var weights =
            Arguments.Numbers(
                "--weights", "How much each network counts, in the order of the files. Default: all the same.", 0,
                LargestShare);
        var source = Arguments.File(
            "--source",
            "ONNX file of the source network, for task-arithmetic and ties; otherwise used where networks in full "
            + "precision carry no moments.");
        var data = Arguments.Folder(
            "--data", "Folder of the places, for a merge with unlabelled images of them all: their training images are "
            + "taken.");
        var domains = new Option<string[]?>("--domains")
        {
            Description = "With --data: the place of each network, in the order of the files.",
            AllowMultipleArgumentsPerToken = true,
        };
        var threads = CommonArguments.TrainingThreads();
        var draft = Arguments.File(
            "--draft", "A merged draft of the same networks, whose next layers are merged again; with --moments.");
        var moments = new Option<string[]?>("--moments")
        {
            Description = "With --draft: for each network, the file that hdrq measure wrote for the draft at its place.",
            AllowMultipleArgumentsPerToken = true,
        };
        var keeping = new Option<bool>("--keep-moments")
        {
            Arity = ArgumentArity.Zero,
            Description = "Keep the moments that the networks carry in the merged one, for hdrq distill at one place "
                + "after another.",
        };
        var anySource =
            new Option<bool>(
                "--allow-different-sources")
            {
                Description =
                "Also merge networks that do not come from the same source network; such a merge is seldom of use."
            };
        var otherImages = new Option<bool>("--allow-other-images")
        {
            Description = "Also merge on images, or moments of them, that look like those that another place's network "
                + "was made on; such a merge is seldom of use.",
        };
        var classes =
            Arguments.File(
                "--classes",
                "Text file with the names of the classes, one a line. Default: those that the networks carry.");
        var size = Arguments.OptionalInteger(
            "--size", "Height and width of images, for --zip, where the network takes any. ", 1, LargestSide);
        var (seed, json) = (CommonArguments.Seed(), CommonArguments.Json());
        var command =
            new CliCommand(
                "merge", "Merges networks of several places into one, without images or, better, with unlabelled "
                + "images of these places.") { files,
                output, zip, method, data, domains, draft, moments, keeping, weights, source, anySource, otherImages,
                classes, size, seed, threads, json };
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var paths = Expand(result.GetValue(files)!, result.GetValue(output)!);
            Arguments.CheckApart(result.GetValue(output)!, [.. paths, result.GetValue(source)]);
            var shares = result.GetValue(weights) ?? [];
            if (shares.Length > 0 && shares.Length != paths.Count)
                throw new UsageException(
                    $"--weights has {shares.Length} numbers, and there are {paths.Count} networks.");
            if (shares.Length > 0 && shares.All(share => share == 0))
                throw new UsageException("--weights: one of them at least must be above 0.");
            var choice =
                MergingChoice.All.Single(way => way.Name == (result.GetValue(method)
                    ?? (result.GetValue(data) is null ? MergingPlan.Default : MergingChoice.WithImages).Name));
            var again = result.GetValue(draft);
            var measured = result.GetValue(moments) ?? [];
            if ((again is null) != (measured.Length == 0))
                throw new UsageException("--draft and --moments belong together; only one of them is given.");
            if (again is not null && (result.GetValue(method) is not null || result.GetValue(data) is not null
                || result.GetValue(domains) is { Length: > 0 }))
                throw new UsageException(
                    "--draft says how networks were merged; --merging, --data and --domains are not for it.");
            if (measured.FirstOrDefault(file => !File.Exists(file)) is { } missing)
                throw new UsageException($"--moments {missing}: there is no such file.");
            Arguments.CheckApart(result.GetValue(output)!, [again, .. measured]);
            var places = Places(choice, result.GetValue(data), result.GetValue(domains) ?? [], paths.Count);
            if (choice.NeedsSource && result.GetValue(source) is null)
                throw new UsageException(
                    $"--merging {choice.Name} needs --source, the ONNX file of the network that all others come from.");
            if (!choice.NeedsSource && !choice.TakesSource && result.GetValue(source) is not null)
                throw new UsageException(
                    $"--source is for --merging "
                    + Names(way => way.NeedsSource || way.TakesSource)
                    + $", and not for {choice.Name}.");
            if (result.GetValue(keeping) && result.GetValue(zip) is not null)
                throw new UsageException(
                    "--zip is for a finished network, and --keep-moments for one that is trained on at each place.");
            if (result.GetValue(size) is not null && result.GetValue(zip) is null)
                throw new UsageException("--size is for --zip, which is not given.");
            var names = result.GetValue(classes) is { } list ? ReadNames(list) : null;
            using var first = Network.LoadOnnx(paths[0]);
            if (choice.IsForIntegers && !first.IsQuantized)
                throw new UsageException(
                    $"--merging {choice.Name} is for quantized networks, and these are in full precision.");
            if (names is not null && first.Graph.Outputs[0].Shape is [_, > 0 and var count, ..]
                && count != names.Length)
                throw new InvalidDataException(
                    $"'{result.GetValue(classes)}' names {names.Length} classes, and the networks have {count}.");
            using var common = result.GetValue(source) is { } sourcePath ? Network.LoadOnnx(sourcePath) : null;
            var context = Devices.Context(result.GetValue(seed), null);
            var (height, width) = Size(
                first, result.GetValue(zip) is null ? NetworkFiles.AnySide : result.GetValue(size));
            if (places is not null && result.GetValue(zip) is null)
                (height, width) = PixelPipeline.InputSize(first, () => places[0].Paths[0]);
            using var own = new TorchThreads(result.GetValue(threads));
            var steps = new NetworkSteps(
                context, new PixelPipeline(context, height, width), result.GetValue(seed), result.GetValue(threads));
            var options =
                choice.Options(common, result.GetValue(seed)) with
                {
                    AllowDifferentSources = result.GetValue(anySource),
                    AllowOtherImages = result.GetValue(otherImages),
                    KeepMoments = result.GetValue(keeping),
                };
            var sites = paths.Select(path => (Path: path, Metadata: Network.ReadOnnxMetadata(path))).ToList();
            using var merged = session.Output.WithProgress(board =>
            {
                var bar = board.Add($"merging {paths.Count} networks" + (places is null ? "" : " on "
                    + string.Join(", ", places.Select(
                        place => $"{PlaceArguments.Used(place.Paths.Count)} of {place.Domain}"))));
                if (shares.Length > 0)
                    options = options with { NetworkWeights = [.. shares.Select(share => share / shares.Sum())] };
                var made = Named(paths, () => again is not null
                    ? WithAll(networks => Again(again, networks, measured, options))
                    : places is not null ? WithAll(networks => steps.Merge(
                        networks, places, options, result.GetValue(seed),
                        CheckpointFolder.Of(result.GetValue(output)!), bar.Show, session.CancellationToken))
                    : OneAfterAnother(bar));
                if (names is not null)
                {
                    using var nameless = made;
                    made = steps.Name(nameless, names);
                }
                NetworkFiles.Save(made, result.GetValue(output)!, session.Output);
                if (result.GetValue(zip) is { } model && !made.Metadata.ContainsKey(NetworkMetadata.MergeStep))
                    steps.SaveModel(made, model);
                bar.Complete();
                return made;
            });
            var step = merged.Metadata.GetValueOrDefault(NetworkMetadata.MergeStep);
            session.Output.Say(step is null
                ? $"Merged by {Method(merged, choice, sites)}."
                : $"Step {step} of the second round is done; it is not the network yet.");
            foreach (var (path, metadata) in sites)
            {
                if (AdaptationReport.Of(metadata)?.KeptSource is { } reason)
                    session.Output.Warn($"{path} is not adapted to its place: {reason}");
            }
            foreach (var (domain, images) in places ?? [])
                PlaceArguments.WarnOfFew(images.Count, domain, session.Output.Warn);
            NetworkFiles.SayKernels(merged, result.GetValue(output)!, session.Output);
            if (step is not null)
            {
                session.Output.Say(
                    $"Written: {result.GetValue(output)}, a draft after step {step}. Next: hdrq measure at each "
                    + "place, and hdrq merge --draft."
                    + (result.GetValue(zip) is null ? "" : " --zip is written with the last step."));
                return;
            }
            if (result.GetValue(zip) is { } numbered
                && merged is { ClassNames: null, Graph.Outputs: [{ Shape.Length: 2 }, ..] })
            {
                session.Output.Warn(
                    $"The networks carry no names of classes: {numbered} gives the number of a class in PredictedLabel, "
                    + "from 0, and no Prediction. --classes names them.");
            }
            session.Output.Say($"Written: {result.GetValue(output)}, "
                + (merged.Metadata.Keys.Any(NetworkFiles.IsKeptMoments)
                    ? $"with the moments of {paths.Count} networks, for hdrq distill at one place after another"
                    : "for ONNX Runtime")
                + (result.GetValue(zip) is { } written ? $"; {written}, for mlContext.Model.Load."
                    : ". --zip FILE also writes an ML.NET model."));

            Network OneAfterAnother(ProgressBoard.Bar bar)
            {
                first.Dispose();
                return NetworkMerger.MergeFiles(
                    paths, options, progress: new ProgressReport<MergeProgress>(
                        step => bar.Show((double)step.Step / step.Steps, step.Layer)),
                    cancellationToken: session.CancellationToken);
            }

            Network WithAll(Func<IReadOnlyList<Network>, Network> merge)
            {
                var networks = new List<Network> { first };
                try
                {
                    foreach (var path in paths.Skip(1))
                        networks.Add(Network.LoadOnnx(path));
                    return merge(networks);
                }
                finally
                {
                    foreach (var network in networks.Skip(1))
                        network.Dispose();
                }
            }
        })));
        return command;
    }

    /// <summary>Merges; files are named where the library numbers networks, and options where it names its own.</summary>
    private static Network Named(List<string> paths, Func<Network> merge)
    {
        try
        {
            return merge();
        }
        catch (ArgumentException exception) when (Numbered().IsMatch(exception.Message))
        {
            var message = Numbered().Replace(Arguments.Sentence(exception), match =>
                (match.Groups["first"].Success ? $"{Name(match, "first")} and " : "") + Name(match, "last"));
            throw new InvalidDataException(message, exception);

            string Name(Match match, string group) =>
                $"'{paths[int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture)]}'";
        }
    }

    private static Network Again(
        string draft, IReadOnlyList<Network> networks, IReadOnlyList<string> files, MergeOptions options)
    {
        var moments = new List<MergeMoments>();
        try
        {
            foreach (var file in files)
                moments.Add(MergeMoments.Load(file));
            using var start = Network.LoadOnnx(draft);
            return NetworkMerger.MergeAgain(start, networks, moments, options);
        }
        catch (ArgumentException exception) when (!Numbered().IsMatch(exception.Message))
        {
            throw new InvalidDataException(Arguments.Sentence(exception), exception);
        }
        finally
        {
            moments.ForEach(one => one.Dispose());
        }
    }

    /// <summary>How networks were merged, and where it is the mean for want of moments, whose are missing.</summary>
    private static string Method(
        Network merged, MergingPlan choice, IReadOnlyList<(string Path, IReadOnlyDictionary<string, string> Metadata)> sites)
    {
        var method = merged.Metadata[NetworkMetadata.MergeMethod];
        var without = sites
            .Where(site => !site.Metadata.Keys.Any(NetworkFiles.IsMoments))
            .Select(site => site.Path)
            .ToList();
        return choice.TakesSource && without.Count > 0 ? $"{method}, as {string.Join(", ", without)} "
            + $"{(without.Count == 1 ? "carries" : "carry")} no moments" : method;
    }

    private static string Names(Func<MergingPlan, bool> isMeant) =>
        string.Join(", ", MergingChoice.All.Where(isMeant).Select(way => way.Name));

    /// <summary>The images of each network's place; null where none are looked at.</summary>
    private static List<(string Domain, IReadOnlyList<string> Paths)>? Places(
        MergingPlan choice, string? folder, string[] domains, int networks)
    {
        if (!choice.NeedsImages)
        {
            return folder is null && domains.Length == 0 ? null : throw new UsageException(
                $"--merging {choice.Name} looks at no images; --data and --domains are for "
                + $"{Names(way => way.NeedsImages)}.");
        }
        if (folder is null)
            throw new UsageException($"--merging {choice.Name} needs --data, a folder of images of all places.");
        if (domains.Length == 0)
        {
            throw new UsageException(
                "--domains is missing: it names the place of each network in --data, in the order of the files.");
        }
        if (domains.Length != networks)
            throw new UsageException($"--domains names {domains.Length} places, and there are {networks} networks.");
        var places = domains.Select(
            domain => (domain, DomainLayout.UnlabelledImages(folder, domain, "--domains"))).ToList();
        PixelPipeline.CheckImages(places.SelectMany(place => place.Item2));
        return places;
    }

    [GeneratedRegex(@"[Nn]etworks? (?:(?<first>[0-9]+) and )?(?<last>[0-9]+)")]
    private static partial Regex Numbered();

    /// <summary>Files, and those that patterns match, in ordinal order of what each pattern gives.</summary>
    private static List<string> Expand(IReadOnlyList<string> arguments, string output)
    {
        var paths = new List<string>();
        foreach (var argument in arguments)
        {
            if (File.Exists(argument))
            {
                paths.Add(!Arguments.IsPipeOrDevice(argument) ? argument
                    : throw new UsageException($"{argument}: {Arguments.PipeOrDevice}"));
                continue;
            }
            if (!argument.Contains('*', StringComparison.Ordinal))
                throw new UsageException(
                    Directory.Exists(argument)
                    ? $"{argument} is a folder; give files, such as '{Path.Combine(argument, "*.onnx")}'."
                    : argument.StartsWith("--", StringComparison.Ordinal)
                    ? $"Unrecognized option '{argument}'. hdrq merge --help says what there is."
                    : $"{argument}: there is no such file"
                        + (argument.AsSpan().ContainsAny('?', '[', '{') ? "; patterns have * and **." : "."));
            // Patterns may begin with .., which the matcher does not know.
            var whole = Path.GetFullPath(argument);
            var root = Path.GetPathRoot(whole)!;
            var matches = new Matcher(StringComparison.Ordinal)
                .AddInclude(Path.GetRelativePath(root, whole))
                .GetResultsInFullPath(root).Order(StringComparer.Ordinal).ToList();
            paths.AddRange(matches.Count > 0 ? matches : throw new UsageException($"'{argument}' matches no file."));
        }
        paths.RemoveAll(
            path => arguments.All(argument => argument != path) && Arguments.RealPath(path) == Arguments.RealPath(output));
        if (paths.Select(Arguments.RealPath).CountBy(path => path)
            .FirstOrDefault(count => count.Value > 1) is { Key: { } twice })
            throw new UsageException($"'{twice}' is named twice.");
        if (Copies(paths) is var (first, copy))
            throw new UsageException($"'{first}' and '{copy}' are the same network; it would count twice.");
        return paths.Count > 1 ? paths
            : throw new UsageException($"To merge, it takes at least two networks; there is {paths[0]} alone.");
    }

    /// <summary>The first two files with the same bytes; null where there are none.</summary>
    private static (string First, string Copy)? Copies(List<string> paths) => paths
        .SelectMany((copy, index) => paths.Take(index).Select(first => ((string First, string Copy)?)(first, copy)))
        .FirstOrDefault(pair => HaveSameBytes(pair!.Value.First, pair.Value.Copy));

    /// <summary>Whether files are the same; read only up to where they differ, which for networks is soon.</summary>
    private static bool HaveSameBytes(string first, string second)
    {
        using var a = File.OpenRead(first);
        using var b = File.OpenRead(second);
        if (a.Length != b.Length)
            return false;
        var (ofA, ofB) = (new byte[ComparedBytes], new byte[ComparedBytes]);
        while (a.ReadAtLeast(ofA, ofA.Length, throwOnEndOfStream: false) is > 0 and var read)
        {
            b.ReadExactly(ofB.AsSpan(0, read));
            if (!ofA.AsSpan(0, read).SequenceEqual(ofB.AsSpan(0, read)))
                return false;
        }
        return true;
    }

    private static string[] ReadNames(string path)
    {
        var names = File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0).ToArray();
        if (names.CountBy(name => name).FirstOrDefault(count => count.Value > 1) is { Key: { } twice })
            throw new InvalidDataException($"'{path}' names the class '{twice}' twice.");
        return names.Length > 0 ? names
            : throw new InvalidDataException($"'{path}' names no class; it takes one a line.");
    }

    private static (int Height, int Width) Size(Network network, int? size) => size is { } side
        ? PixelPipeline.InputSize(network, (side, side))
        : PixelPipeline.InputSize(
            network, () =>
                throw new UsageException(
                    "--size is missing: the networks take images of any size, and a model that reads files needs one."));
}

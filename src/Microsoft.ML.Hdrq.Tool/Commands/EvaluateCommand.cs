using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq evaluate</c>: how well networks do on labelled images.</summary>
internal static class EvaluateCommand
{
    private const int ShortestName = 12;

    private const int ShortestDomain = 6;

    public static CliCommand Create(Action<Work> run)
    {
        var files = new Argument<string[]>(
            "files")
        { Description = "ONNX files of networks.", Arity = ArgumentArity.OneOrMore };
        files.CustomParser = result =>
            [.. result.Tokens.Select(token => Arguments.ParseFile(result, "files", token.Value))];
        var data = Arguments.Folder(
            "--data", $"Folder of labelled images, {DomainLayout.Classes} or {DomainLayout.Masks}.", isRequired: true);
        var domains = Arguments.Names("--domains", "The domains to measure on. Default: all.");
        var split = Arguments.Choice(
            "--split", "The images to measure on: test or train. Default: test.", "test", "train");
        var normalization = CommonArguments.NormalizationOption("none.");
        var scores = CommonArguments.Scores();
        var (batchSize, threads, json) =
            (CommonArguments.BatchSize(), CommonArguments.Threads(), CommonArguments.Json());
        var command =
            new CliCommand(
                "evaluate", "Measures networks on labelled images: accuracy, or mean IoU, domain by domain.") { files,
                data, domains, split, normalization, scores, batchSize, threads, json };
        command.SetAction(result => run(new(result.GetValue(json), session =>
        {
            var measured = result.GetValue(split) == "train" ? DataSplit.Train : DataSplit.Test;
            var layout = DomainLayout.Find(result.GetValue(data)!);
            var wanted = result.GetValue(domains) is { Length: > 0 } names ? names : [.. layout.Domains];
            if (wanted.Except(layout.Domains).FirstOrDefault() is { } unknown)
                throw Directory.Exists(Path.Combine(layout.Root, unknown))
                    ? DomainLayout.NoImages(
                        Path.Combine(layout.Root, unknown, measured.FolderName()), "<class>/*.png", measured.FolderName())
                    : new UsageException(
                        $"--domains: there is no domain '{unknown}'; there are {string.Join(", ", layout.Domains)}.");
            layout = layout with { Domains = wanted, Splits = [measured] };
            var options = new JobOptions
            {
                Data = layout.Root,
                Normalization = CommonArguments.Normalization(result.GetValue(normalization)),
                Scores = result.GetValue(scores),
                MeasuredSplit = measured,
                BatchSize = result.GetValue(batchSize),
                Threads = result.GetValue(threads),
            };
            var said = new HashSet<string>(StringComparer.Ordinal);
            foreach (var path in result.GetValue(files)!)
                Check(path, layout, options, WarnOnce);
            var table = new TextTable(layout.HasMasks ? "Mean IoU, %" : "Top-1 accuracy, %")
                .Add(new TextTable.Column("network", MinimumWidth: ShortestName));
            foreach (var domain in wanted)
                table.Add(new TextTable.Column(domain, IsNumber: true, MinimumWidth: ShortestDomain));
            table.Add(new TextTable.Column("harmonic mean", IsNumber: true, MinimumWidth: ShortestDomain, LeaveOut: 1));
            session.Output.WithProgress(board =>
            {
                foreach (var path in result.GetValue(files)!)
                {
                    var bar = board.Add(Path.GetFileName(path));
                    using var file = Network.LoadOnnx(path, new OnnxLoadOptions { Output = options.Scores });
                    var networks = DomainNetworks.Of(layout, options with { Network = path }, file, WarnOnce);
                    using var network = networks.Read(path);
                    var scores = new List<DomainScore>();
                    foreach (var score in networks.Measure(network, wanted, session.CancellationToken))
                    {
                        scores.Add(score);
                        bar.Show((double)scores.Count / wanted.Length, score.Domain);
                    }
                    bar.Complete();
                    var mean = MergeJob.HarmonicMean(scores.Select(score => score.Score));
                    table.Add([path, .. scores.Select(score => (TextTable.Cell)ResultTable.Percent(score.Score)),
                        ResultTable.Percent(mean)]);
                    session.Output.Event("evaluated", () => new JsonObject
                    {
                        ["network"] = path,
                        ["domains"] =
                            new JsonObject(
                                scores.Select(score => KeyValuePair.Create(score.Domain, (JsonNode?)score.Score))),
                        ["classes"] = scores.Any(score => score.Classes is not null)
                            ? new JsonObject(
                                scores.Select(
                                    score => KeyValuePair.Create(
                                        score.Domain,
                                        (JsonNode?)new JsonObject(
                                            (score.Classes ?? [])
                                            .Select(one => KeyValuePair.Create(one.Key, (JsonNode?)one.Value))))))
                            : null,
                        ["harmonicMean"] = mean,
                    });
                }
                return true;
            });
            session.Output.Show(table);

            void WarnOnce(string warning)
            {
                if (said.Add(warning))
                    session.Output.Warn(warning);
            }
        })));
        return command;
    }

    /// <summary>Looks whether a network is one for the images: of several, the last may be wrong.</summary>
    private static void Check(string path, DomainLayout layout, JobOptions options, Action<string>? warn)
    {
        using var network = Network.LoadOnnx(path, new OnnxLoadOptions { Output = options.Scores });
        try
        {
            DomainNetworks.Of(layout, options with { Network = path }, network, warn);
        }
        catch (InvalidDataException exception) when (
            exception.Message.StartsWith("The network's", StringComparison.Ordinal))
        {
            throw new InvalidDataException($"'{path}': {exception.Message}", exception);
        }
    }
}

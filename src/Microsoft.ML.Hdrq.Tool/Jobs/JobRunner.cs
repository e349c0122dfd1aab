using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>Runs the whole job on a data folder, and says and writes what it gives.</summary>
internal sealed class JobRunner
{
    private readonly JobOptions _options;
    private readonly DomainNetworks _networks;
    private readonly MergePlan _plan;
    private readonly Output _output;
    private readonly string? _folder;

    // The networks of the results that the folder held when work began: they are replaced once all are measured again.
    private HashSet<string> _kept = [];

    /// <summary>Checks all that can be known before work begins.</summary>
    /// <param name="layout">The data folder.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="output">Where it is said.</param>
    /// <exception cref="UsageException">An option does not fit the data.</exception>
    /// <exception cref="InvalidDataException">The data or a network cannot be used.</exception>
    public JobRunner(DomainLayout layout, JobOptions options, Output output)
    {
        (_options, _output) = (options, output);
        _plan = MergePlan.Of(layout.Domains, options.Domains, options.Merges);
        using var network = options.LoadNetwork();
        _networks = DomainNetworks.Of(layout, options, network, output.Warn);
        if (options.Adapted is { } pattern)
        {
            if (MergeJob.AdaptedPath(pattern, "") == pattern)
                throw new UsageException(
                    $"--adapted {pattern}: it takes {{domain}} in place of the domain, such as "
                    + $"adapted-{{domain}}.onnx.");
            foreach (var domain in _plan.Targets)
            {
                var path = MergeJob.AdaptedPath(pattern, domain);
                if (!File.Exists(path))
                    throw new UsageException($"--adapted: there is no file '{path}' for the domain '{domain}'.");
                using var adapted = Network.LoadOnnx(path);
                if (VisionTask.Of(adapted) != _networks.Task)
                    throw new InvalidDataException(
                        $"'{path}' is a network for {VisionTask.Of(adapted).Name}, and the images are for "
                        + $"{_networks.Task.Name}.");
                if (adapted.Graph.Outputs[0].Shape[1] is > 0 and var classes && classes != _networks.Classes.Count)
                    throw new InvalidDataException(
                        $"'{path}' gives scores of {classes} classes, and the folder has {_networks.Classes.Count}: "
                        + $"{string.Join(", ", _networks.Classes)}.");
            }
        }
        if (_plan.Groups.Count == 0 && options.LastStage == Stage.Merged && options.Domains is { } named)
            throw new UsageException(
                $"--domains {string.Join(' ', named)}: to merge, it takes two; --stage quantized ends before.");
        if (_plan.Groups.Count == 0 && options.LastStage == Stage.Merged)
            throw new InvalidDataException(
                $"'{layout.Root}' has one domain to serve, {_plan.Targets[0]}; to merge, it takes two.");
        _folder = options.Output is null ? null : Directory.CreateDirectory(options.Output).FullName;
    }

    /// <summary>Does what is asked for.</summary>
    public void Run(CancellationToken cancellationToken)
    {
        using var only = _folder is null ? null : FolderLock.Of(_folder);
        _kept = Kept();
        var (job, document) = _output.WithProgress(board =>
        {
            var running =
                new MergeJob(_networks, _options, _plan, new NetworkShelf(_folder), board, Measured, cancellationToken);
            return (running, running.Run());
        });
        Write(document);
        if (_options.Comparison is null)
        {
            _output.Show(ResultTable.Create(document, _networks.Task, _networks.Domains, _plan.Targets));
            if (ClassTable.Create(document, _networks.Task) is { } classes)
                _output.Show(classes);
        }
        else
        {
            foreach (var line in new ComparisonReport(document, _networks.Task).ToMarkdown().Split('\n'))
                _output.Say(line);
        }
        _output.Say("");
        if (KernelSummary.Of(job.Reports) is { Count: > 0 } kernels)
        {
            foreach (var line in kernels)
                _output.Say(line);
        }
        if (_folder is not null)
            WritePictures(job, document, cancellationToken);
        _output.Event(
            "results", () =>
                JsonSerializer.SerializeToNode(document, ResultsJsonContext.Default.ResultsDocument)!.AsObject());
        Conclude(document);
    }

    private void Measured(ResultRow row, ResultsDocument document)
    {
        _output.Event(
            "network", () => JsonSerializer.SerializeToNode(row, ResultsJsonContext.Default.ResultRow)!.AsObject());
        if (_kept.IsSubsetOf(document.Rows.Select(measured => measured.Network)))
            Write(document);
    }

    private HashSet<string> Kept()
    {
        if (_folder is null || !File.Exists(ResultsPath))
            return [];
        try
        {
            return [.. ResultsFile.Read(ResultsPath).Rows.Select(row => row.Network)];
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }

    private string ResultsPath => Path.Combine(_folder!, "results.json");

    private void Write(ResultsDocument document)
    {
        if (_folder is null)
            return;
        ResultsFile.Write(ResultsPath, document);
        if (_options.Comparison is not null)
            WholeFile.Write(
                Path.Combine(_folder, "comparison.md"),
                Encoding.UTF8.GetBytes(new ComparisonReport(document, _networks.Task).ToMarkdown()));
    }

    private void WritePictures(MergeJob job, ResultsDocument document, CancellationToken cancellationToken)
    {
        HtmlReport.Save(job.Report, Path.Combine(_folder!, "report.html"));
        foreach (var (file, explained) in ExplanationCharts.Create(job.Explanations))
            explained.SaveSvg(Path.Combine(_folder!, $"{file}.svg"));
        if (_options.Comparison is not null)
        {
            foreach (var (file, comparison) in new ComparisonReport(document, _networks.Task).Charts())
            {
                comparison.SaveSvg(Path.Combine(_folder!, $"{file}.svg"));
                comparison.SavePng(Path.Combine(_folder!, $"{file}.png"));
            }
            return;
        }
        if (ResultChart.Create(document, _networks.Task) is { } chart)
        {
            chart.SaveSvg(Path.Combine(_folder!, "merged.svg"));
            chart.SavePng(Path.Combine(_folder!, "merged.png"));
        }
        _networks.Illustrate(document, _folder!, cancellationToken);
    }

    /// <summary>The last line: which file to use, and how.</summary>
    private void Conclude(ResultsDocument document)
    {
        if (_folder is null)
        {
            _output.Say("Nothing is kept: --output FOLDER keeps the networks, the results and a report.");
            return;
        }
        _output.Say($"Written to {_folder}: results.json, report.html and the networks.");
        if (_options.LastStage == Stage.Source)
            _output.Say(ShellText.NextAtPlaces(Path.Combine(_options.Output!, "source.onnx")));
        var best = document.Rows.Where(row => row is { Merged: not null, WeightBits: not null })
            .OrderByDescending(row => row.Merged!.Count).ThenByDescending(row => row.HarmonicMean).FirstOrDefault();
        if (best is null || _options.Comparison is not null)
            return;
        var file = Path.Combine(_options.Output!, $"{best.Network}.zip");
        _output.Event(
            "use", () => new JsonObject { ["model"] = file, ["network"] = Path.ChangeExtension(file, ".onnx") });
        _output.Say($"Use {file} ({best.Method} {ResultTable.Bits(best)}, "
            + $"{ResultTable.Percent(best.HarmonicMean!.Value)} %): "
            + "mlContext.Model.Load reads it. "
            + $"Elsewhere, {Path.GetFileName(Path.ChangeExtension(file, ".onnx"))} runs in ONNX Runtime.");
    }
}

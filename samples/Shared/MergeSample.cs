using System.Text;
using Hdrq.Samples.Comparison;
using Hdrq.Samples.Explanations;
using Hdrq.Samples.Report;
using Hdrq.Samples.Results;
using Microsoft.ML;
using Microsoft.ML.Hdrq.Scoring;
using Spectre.Console;

namespace Hdrq.Samples;

/// <summary>Runs the job and shows how far it is and what it gives.</summary>
internal abstract class MergeSample(SampleOptions options, IAnsiConsole console)
{
    protected SampleOptions Options => options;

    /// <summary>Runs the job.</summary>
    public void Run(CancellationToken cancellationToken)
    {
        var data = options.Data ?? DrawOnce(cancellationToken);
        var networks = Open(new MLContext(options.Seed) { GpuDeviceId = options.GpuDeviceId }, data);
        var output = options.Output is null ? null : Directory.CreateDirectory(options.Output).FullName;
        IReadOnlyList<(string Network, OnnxReport Report)> reports = [];
        RunReport? report = null;
        var document = WithProgress(board =>
        {
            var job = new MergeJob(networks, options, new NetworkShelf(output), board, Write, cancellationToken);
            var results = job.Run();
            reports = job.Reports;
            report = job.Report;
            return results;
        });
        if (options.Comparison is null)
            console.Write(ResultTable.Create(document, networks.Task, networks.Domains));
        else
            console.WriteLine(new ComparisonReport(document, networks.Task).ToMarkdown());
        if (options.Comparison is null && ClassTable.Create(document, networks.Task) is { } classes)
            console.Write(classes);
        WriteReports(reports);
        if (output is null)
            return;
        HtmlReport.Save(report!, Path.Combine(output, "report.html"));
        foreach (var (file, explained) in ExplanationCharts.Create(report!.Explanations))
            explained.SaveSvg(Path.Combine(output, $"{file}.svg"));
        if (options.Comparison is not null)
        {
            foreach (var (file, comparison) in new ComparisonReport(document, networks.Task).Charts())
            {
                comparison.SaveSvg(Path.Combine(output, $"{file}.svg"));
                comparison.SavePng(Path.Combine(output, $"{file}.png"));
            }
            console.MarkupLineInterpolated($"Written to {output}: results.json, comparison.md, report.html, charts and the networks.");
            return;
        }
        if (ResultChart.Create(document, networks.Task) is { } chart)
        {
            chart.SaveSvg(Path.Combine(output, "merged.svg"));
            chart.SavePng(Path.Combine(output, "merged.png"));
        }
        networks.Illustrate(document, output, cancellationToken);
        console.MarkupLineInterpolated($"Written to {output}: results.json, report.html, the networks and, where networks were merged, pictures and the merged networks as ML.NET models (.zip).");

        void Write(ResultsDocument results)
        {
            if (output is not null)
                ResultsFile.Write(Path.Combine(output, "results.json"), results);
            if (output is not null && options.Comparison is not null)
                WholeFile.Write(Path.Combine(output, "comparison.md"), Encoding.UTF8.GetBytes(new ComparisonReport(results, networks.Task).ToMarkdown()));
        }
    }

    /// <summary>What makes and measures the networks of a data folder.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="InvalidDataException">The folder does not hold what it should.</exception>
    protected abstract DomainNetworks Open(MLContext context, string folder);

    /// <summary>Where the sample's own images are, or will be, for the seed of the run, and how many there are.</summary>
    protected abstract (string Folder, int Count) Drawing { get; }

    /// <summary>Draws the sample's own images into the folder of <see cref="Drawing"/>.</summary>
    /// <param name="progress">Told how many are drawn.</param>
    /// <param name="cancellationToken">Stops the drawing.</param>
    protected abstract void Draw(IProgress<int> progress, CancellationToken cancellationToken);

    private string DrawOnce(CancellationToken cancellationToken)
    {
        var (folder, count) = Drawing;
        if (Directory.Exists(folder))
            return folder;
        return WithProgress(board =>
        {
            var bar = board.Add("Draw images");
            Draw(bar.Reports<int>(done => ((double)done / count, null)), cancellationToken);
            bar.Complete();
            return folder;
        });
    }

    /// <summary>What became of quantized networks: one line for each, and one for each reason why layers are not integer.</summary>
    private void WriteReports(IEnumerable<(string Network, OnnxReport Report)> reports)
    {
        foreach (var (network, report) in reports)
        {
            console.MarkupLineInterpolated($"[bold]{network}[/]: {report.Summary}");
            foreach (var layers in report.Layers.Where(layer => !layer.IsInteger).GroupBy(layer => layer.Reason))
                console.MarkupLineInterpolated($"  {string.Join(", ", layers.Select(layer => layer.Name))}: {layers.Key}");
        }
    }

    private T WithProgress<T>(Func<ProgressBoard, T> work) => console.Progress()
        .HideCompleted(options.Comparison is not null)
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(progress => work(new ProgressBoard(progress)));
}

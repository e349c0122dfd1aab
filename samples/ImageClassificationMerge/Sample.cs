using System.Globalization;
using ImageClassificationMerge.Data;
using ImageClassificationMerge.Results;
using ImageClassificationMerge.TrafficSigns;
using Microsoft.ML;
using Microsoft.ML.Hdrq.Pipeline;
using Spectre.Console;

namespace ImageClassificationMerge;

/// <summary>Runs the job and shows how far it is and what it gives.</summary>
internal sealed class Sample(SampleOptions options, IAnsiConsole console)
{
    private const int TrainPerClass = 300;
    private const int TestPerClass = 100;

    public void Run(CancellationToken cancellationToken)
    {
        var folder = DomainFolder.Open(options.Data ?? DrawSigns(cancellationToken));
        var context = new MLContext(options.Seed) { GpuDeviceId = options.GpuDeviceId };
        var output = options.Output is null ? null : Directory.CreateDirectory(options.Output).FullName;
        IReadOnlyList<(string Network, OnnxReport Report)> reports = [];
        var document = WithProgress(progress =>
        {
            using var job = new MergeJob(new ImageNetworks(context, folder, options), folder, options, new NetworkShelf(output), new ProgressBoard(progress), Write, cancellationToken);
            var results = job.Run();
            reports = job.Reports;
            return results;
        });
        console.Write(ResultTable.Create(document, folder.Domains));
        WriteReports(reports);
        if (output is null)
            return;
        if (ResultChart.Create(document) is { } chart)
        {
            chart.SaveSvg(Path.Combine(output, "merged.svg"));
            chart.SavePng(Path.Combine(output, "merged.png"));
        }
        console.MarkupLineInterpolated($"Written to {output}: results.json, the networks and, where networks were merged, a chart.");

        void Write(ResultsDocument results)
        {
            if (output is not null)
                ResultsFile.Write(Path.Combine(output, "results.json"), results);
        }
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

    /// <summary>Draws the sample's own images, once for each seed.</summary>
    private string DrawSigns(CancellationToken cancellationToken)
    {
        var path = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"hdrq-traffic-signs-v1-{options.Seed}-{TrainPerClass}-{TestPerClass}"));
        if (Directory.Exists(path))
            return path;
        return WithProgress(progress =>
        {
            var bar = new ProgressBoard(progress).Add("Draw traffic signs");
            var count = SignDataset.Domains.Count * SignDataset.Classes.Count * (TrainPerClass + TestPerClass);
            SignDataset.Write(path, options.Seed, TrainPerClass, TestPerClass, bar.Reports<int>(done => ((double)done / count, null)), cancellationToken);
            bar.Complete();
            return path;
        });
    }

    private T WithProgress<T>(Func<ProgressContext, T> work) => console.Progress()
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(work);
}

using System.Globalization;
using ImageClassificationMerge.Data;
using ImageClassificationMerge.Results;
using ImageClassificationMerge.Stages;
using ImageClassificationMerge.TrafficSigns;
using Microsoft.ML;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Onnx;
using Spectre.Console;

namespace ImageClassificationMerge;

/// <summary>Runs the stages and shows how far they are and what they give.</summary>
internal sealed class Sample(SampleOptions options, IAnsiConsole console)
{
    private const int TrainPerClass = 300;
    private const int TestPerClass = 100;

    public void Run(CancellationToken cancellationToken)
    {
        var folder = DomainFolder.Open(options.Data ?? DrawSigns(cancellationToken));
        var context = new MLContext(options.Seed) { GpuDeviceId = options.GpuDeviceId };
        var stage = new SourceStage(context, folder, options);
        var accuracies = new OrderedDictionary<string, double>();
        var (network, name) = WithProgress(progress =>
        {
            var training = progress.AddTask("Train the source network", autoStart: options.Network is null);
            training.IsIndeterminate = options.Network is null;
            var obtained = stage.Obtain(new Report<FineTuningProgress>(report =>
            {
                training.IsIndeterminate = false;
                training.MaxValue = report.Steps;
                training.Value = report.Step;
                training.Description = string.Create(CultureInfo.InvariantCulture, $"Train the source network, loss {report.Loss:0.000}");
            }), cancellationToken);
            training.Value = training.MaxValue;
            training.StopTask();
            foreach (var domain in folder.Domains)
            {
                var task = progress.AddTask($"Score {Markup.Escape(domain)}", maxValue: folder.Files(domain, DataSplit.Test).Count);
                accuracies.Add(domain, stage.Evaluate(obtained.Network, domain, new Report<int>(done => task.Value = done), cancellationToken));
                task.StopTask();
            }
            return obtained;
        });
        using (network)
        {
            Show(name, folder, accuracies);
            if (options.Output is null)
                return;
            Directory.CreateDirectory(options.Output);
            network.SaveOnnx(Path.Combine(options.Output, "source.onnx"));
            var results = Path.Combine(options.Output, "results.json");
            ResultsFile.Write(results, new ResultsDocument { Task = "classification", Rows = [SourceStage.Row(name, accuracies)] });
            console.MarkupLineInterpolated($"Written: {results} and source.onnx");
        }
    }

    private void Show(string name, DomainFolder folder, OrderedDictionary<string, double> accuracies)
    {
        var table = new Table { Title = new TableTitle("Top-1 accuracy, %") }.AddColumn("Network");
        foreach (var domain in folder.Domains)
            table.AddColumn(new TableColumn(Markup.Escape(domain)).RightAligned());
        table.AddRow([Markup.Escape(name), .. folder.Domains.Select(domain => (100 * accuracies[domain]).ToString("0.00", CultureInfo.InvariantCulture))]);
        console.Write(table);
    }

    /// <summary>Draws the sample's own images, once for each seed.</summary>
    private string DrawSigns(CancellationToken cancellationToken)
    {
        var path = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"hdrq-traffic-signs-v1-{options.Seed}-{TrainPerClass}-{TestPerClass}"));
        if (Directory.Exists(path))
            return path;
        return WithProgress(progress =>
        {
            var count = SignDataset.Domains.Count * SignDataset.Classes.Count * (TrainPerClass + TestPerClass);
            var task = progress.AddTask("Draw traffic signs", maxValue: count);
            SignDataset.Write(path, options.Seed, TrainPerClass, TestPerClass, new Report<int>(done => task.Value = done), cancellationToken);
            return path;
        });
    }

    private T WithProgress<T>(Func<ProgressContext, T> work) => console.Progress()
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(work);

    /// <summary>Progress on the thread that reports it: <see cref="Progress{T}"/> would queue each report, out of order.</summary>
    private sealed class Report<T>(Action<T> action) : IProgress<T>
    {
        void IProgress<T>.Report(T value) => action(value);
    }
}

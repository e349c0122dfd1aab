using System.Globalization;
using Hdrq.Samples;
using ImageClassificationMerge.Data;
using ImageClassificationMerge.TrafficSigns;
using Microsoft.ML;
using Spectre.Console;

namespace ImageClassificationMerge;

/// <summary>The job on images with one class each: a folder's, or traffic signs that the sample draws.</summary>
internal sealed class Sample(SampleOptions options, IAnsiConsole console) : MergeSample(options, console)
{
    private const int TrainPerClass = 300;
    private const int TestPerClass = 100;

    protected override (string Folder, int Count) Drawing => (
        Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"hdrq-traffic-signs-v1-{Options.Seed}-{TrainPerClass}-{TestPerClass}")),
        SignDataset.Domains.Count * SignDataset.Classes.Count * (TrainPerClass + TestPerClass));

    protected override DomainNetworks Open(MLContext context, string folder) => new ImageNetworks(context, DomainFolder.Open(folder, Options.Source), Options);

    protected override void Draw(IProgress<int> progress, CancellationToken cancellationToken) =>
        SignDataset.Write(Drawing.Folder, Options.Seed, TrainPerClass, TestPerClass, progress, cancellationToken);
}

using System.Globalization;
using Hdrq.Samples;
using Microsoft.ML;
using SegmentationMerge.Data;
using SegmentationMerge.StreetScenes;
using Spectre.Console;

namespace SegmentationMerge;

/// <summary>The job on images with a class for every pixel: a folder's, or streets that the sample draws.</summary>
internal sealed class Sample(SampleOptions options, IAnsiConsole console) : MergeSample(options, console)
{
    private const int Train = 200;
    private const int Test = 60;

    protected override (string Folder, int Count) Drawing => (
        Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"hdrq-streets-v1-{Options.Seed}-{Train}-{Test}")),
        StreetDataset.Domains.Count * (Train + Test));

    protected override DomainNetworks Open(MLContext context, string folder) => new SegmentationNetworks(context, FrameFolder.Open(folder, Options.Source), Options);

    protected override void Draw(IProgress<int> progress, CancellationToken cancellationToken) =>
        StreetDataset.Write(Drawing.Folder, Options.Seed, Train, Test, progress, cancellationToken);
}

using Hdrq.Samples;
using Hdrq.Samples.Data;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using SegmentationMerge.Data;

namespace SegmentationMerge.Sheets;

/// <summary>Takes the pictures of a contact sheet: images, their masks, and what networks make of them.</summary>
/// <param name="context">The context.</param>
/// <param name="frames">Reads images and masks.</param>
/// <param name="folder">Where they are.</param>
/// <param name="batchSize">Images scored at once.</param>
internal sealed class SheetPictures(MLContext context, FramePipeline frames, FrameFolder folder, int batchSize)
{
    private const int RowsPerDomain = 2;
    private const string Mask = "PredictedMask";

    private readonly IReadOnlyList<MaskColor> _colours = ClassColours.Of(folder.Classes);

    /// <summary>Makes the sheet.</summary>
    /// <param name="domains">The domains whose test images are shown.</param>
    /// <param name="networks">The networks' ONNX files, each with the title of its column.</param>
    /// <param name="cancellationToken">Ends it between two images.</param>
    public ContactSheet Create(IReadOnlyList<string> domains, IReadOnlyList<(string Title, string Path)> networks, CancellationToken cancellationToken)
    {
        var chosen = domains.SelectMany(domain => Choose(folder.Frames(domain, DataSplit.Test)).Select(frame => (Domain: domain, Frame: frame))).ToList();
        var data = frames.Read([.. chosen.Select(row => row.Frame)], cancellationToken);
        var columns = new List<List<byte[]>>
        {
            data.GetColumn<VBuffer<float>>(DomainNetworks.Pixels).Select(pixels => Interleave(pixels.DenseValues().ToArray())).ToList(),
            Paint(data, DomainNetworks.Label),
        };
        foreach (var (_, path) in networks)
        {
            using var network = Network.LoadOnnx(path);
            using var scorer = context.Transforms.ApplyNetwork("Score", DomainNetworks.Pixels, network, new NetworkScoringEstimator.Options { BatchSize = batchSize }).Fit(data);
            columns.Add(Paint(scorer.Transform(data), Mask));
        }
        return new ContactSheet(
            ["image", "truth", .. networks.Select(network => network.Title)],
            [.. chosen.Select((row, index) => new SheetRow(row.Domain, [.. columns.Select(column => column[index])]))],
            frames.Width,
            frames.Height,
            [.. folder.Classes.Zip(_colours)]);
    }

    /// <summary>Frames from all over a drive, of which those one after another look alike.</summary>
    private static IEnumerable<Frame> Choose(IReadOnlyList<Frame> all)
    {
        var count = Math.Min(RowsPerDomain, all.Count);
        return Enumerable.Range(0, count).Select(row => all[(2 * row + 1) * all.Count / (2 * count)]);
    }

    /// <summary>From planes of red, green and blue to pixels.</summary>
    private static byte[] Interleave(float[] planes)
    {
        var size = planes.Length / 3;
        return [.. Enumerable.Range(0, planes.Length).Select(place => (byte)Math.Clamp(planes[place % 3 * size + place / 3] + 0.5f, 0, 255))];
    }

    /// <summary>Masks in the colours of their classes; what has no class is black.</summary>
    private List<byte[]> Paint(IDataView data, string maskColumn) => [.. data.GetColumn<VBuffer<byte>>(maskColumn).Select(mask => mask.DenseValues()
        .Select(value => value < _colours.Count ? _colours[value] : default)
        .SelectMany(colour => new[] { colour.Red, colour.Green, colour.Blue }).ToArray())];
}

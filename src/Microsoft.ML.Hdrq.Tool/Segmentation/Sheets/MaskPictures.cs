using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Report;

namespace Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

/// <summary>Pictures of a few test images, of their masks, and of what networks make of them.</summary>
/// <param name="context">The context.</param>
/// <param name="frames">Reads images and masks.</param>
/// <param name="folder">Where they are.</param>
/// <param name="batchSize">Images scored at once.</param>
internal sealed class MaskPictures(MLContext context, FramePipeline frames, FrameFolder folder, int batchSize)
{
    private const int FramesPerDomain = 2;
    private const string Mask = "PredictedMask";

    private readonly IReadOnlyList<MaskColor> _colours = ClassColours.Of(folder.Classes);

    /// <summary>The pictures in rows, with a column for each network.</summary>
    /// <param name="domains">The domains whose test images are shown.</param>
    /// <param name="networks">The networks' ONNX files, each with the title of its column.</param>
    /// <param name="cancellationToken">Ends it between two images.</param>
    public ContactSheet Sheet(
        IReadOnlyList<string> domains, IReadOnlyList<(string Title, string Path)> networks,
        CancellationToken cancellationToken)
    {
        var (chosen, data) = Choose(domains, cancellationToken);
        var columns = new List<List<byte[]>> { Images(data), Paint(Masks(data, DomainNetworks.Label)) };
        foreach (var (_, path) in networks)
        {
            using var network = Network.LoadOnnx(path);
            columns.Add(Paint(Predict(network, data)));
        }
        return new ContactSheet(
            ["image", "truth", .. networks.Select(network => network.Title)],
            [.. chosen.Select((row, index) => new SheetRow(row.Domain, [.. columns.Select(column => column[index])]))],
            frames.Pixels.Width,
            frames.Pixels.Height,
            [.. folder.Classes.Zip(_colours)]);
    }

    /// <summary>
    /// The pictures for a report: what a network says, and of how many of the pixels that have a class it is right.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="domains">The domains whose test images are shown.</param>
    /// <param name="cancellationToken">Ends it between two images.</param>
    public IReadOnlyList<SamplePrediction> Predictions(
        Network network, IReadOnlyList<string> domains, CancellationToken cancellationToken)
    {
        var (chosen, data) = Choose(domains, cancellationToken);
        var (truths, masks) = (Masks(data, DomainNetworks.Label), Predict(network, data));
        return [.. Images(data).Zip(Paint(truths), Paint(masks)).Select((pictures, index) => new SamplePrediction(
            chosen[index].Domain, chosen[index].Frame.ImagePath, ToPng(pictures.First),
                Path.GetFileNameWithoutExtension(chosen[index].Frame.ImagePath), Right(truths[index], masks[index]))
        {
            TruePicture = ToPng(pictures.Second),
            PredictedPicture = ToPng(pictures.Third),
        })];
    }

    private (IReadOnlyList<(string Domain, Frame Frame)> Chosen, IDataView Data) Choose(
        IReadOnlyList<string> domains, CancellationToken cancellationToken)
    {
        var chosen =
            domains.SelectMany(domain => Choose(folder.Frames(domain, DataSplit.Test)).Select(frame => (domain, frame)))
            .ToList();
        return (chosen, frames.Read([.. chosen.Select(row => row.frame)], cancellationToken));
    }

    /// <summary>Frames from all over a drive, of which those one after another look alike.</summary>
    private static IEnumerable<Frame> Choose(IReadOnlyList<Frame> all)
    {
        var count = Math.Min(FramesPerDomain, all.Count);
        return Enumerable.Range(0, count).Select(row => all[(2 * row + 1) * all.Count / (2 * count)]);
    }

    private List<byte[]> Predict(Network network, IDataView data)
    {
        using var scorer =
            context.Transforms.ApplyNetwork(
                "Score", PixelPipeline.Pixels, network, new ScoringOptions { BatchSize = batchSize }).Fit(data);
        return Masks(scorer.Transform(data), Mask);
    }

    private static List<byte[]> Images(IDataView data) =>
        [.. data.GetColumn<VBuffer<float>>(PixelPipeline.Pixels)
        .Select(pixels => Interleave(pixels.DenseValues().ToArray()))];

    private static List<byte[]> Masks(IDataView data, string column) =>
        [.. data.GetColumn<VBuffer<byte>>(column).Select(mask => mask.DenseValues().ToArray())];

    /// <summary>From planes of red, green and blue to pixels.</summary>
    private static byte[] Interleave(float[] planes)
    {
        var size = planes.Length / 3;
        return [.. Enumerable.Range(0, planes.Length)
            .Select(place => (byte)Math.Clamp(planes[place % 3 * size + place / 3] + 0.5f, 0, 255))];
    }

    /// <summary>Masks in the colours of their classes; what has no class is black.</summary>
    private List<byte[]> Paint(IEnumerable<byte[]> masks) => [.. masks.Select(mask => mask
        .Select(value => value < _colours.Count ? _colours[value] : default)
        .SelectMany(colour => new[] { colour.Red, colour.Green, colour.Blue }).ToArray())];

    private string Right(byte[] truth, byte[] predicted)
    {
        var labelled = truth.Zip(predicted).Where(pixel => pixel.First < _colours.Count).ToList();
        return labelled.Count == 0 ? ""
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{100.0 * labelled.Count(pixel => pixel.First == pixel.Second) / labelled.Count:0} % right");
    }

    private byte[] ToPng(byte[] pixels) => Png.EncodeRgb(pixels, frames.Pixels.Width, frames.Pixels.Height);
}

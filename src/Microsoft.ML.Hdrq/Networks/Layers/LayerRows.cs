using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Takes apart what a layer reads into the inputs of single output positions: rows that its weight, as a matrix, is
/// multiplied by. Convolutions have many positions in each image; some of them, drawn at random, stand for all.
/// </summary>
/// <param name="images">The number of images that will be looked at, of which each gives as many positions.</param>
/// <param name="context">The limits of what may be computed.</param>
/// <param name="random">Draws the positions.</param>
internal sealed class LayerRows(long images, ComputeContext context, Random random)
{
    /// <summary>
    /// The number of output positions, of all images together, on which a layer is measured (or all, where there are
    /// fewer).
    /// </summary>
    private const int EnoughRows = 32_768;

    /// <summary>The maximum number of elements of a convolution's windows at a time.</summary>
    private const long MaxElements = 1 << 24;

    /// <summary>Takes a batch apart.</summary>
    /// <param name="layer">The layer, one of <see cref="GraphLayers.MatrixProducts"/>.</param>
    /// <param name="value">What it reads, [images, ...].</param>
    /// <param name="output">What belongs to it at each position, [images, ...] as the layer's output; null for
    /// nothing.</param>
    /// <returns>
    /// A part of the batch after the other, which lives until the next: the inputs, [rows, inputs], and the outputs,
    /// [rows, outputs].
    /// </returns>
    public IEnumerable<(torch.Tensor Inputs, torch.Tensor? Outputs)> Of(
        Layer layer, torch.Tensor value, torch.Tensor? output = null)
    {
        // Layers may compute in double precision; their moments need none.
        value = value.to(torch.ScalarType.Float32);
        output = output?.to(torch.ScalarType.Float32);
        if (layer.Operator is not Convolution convolution)
        {
            yield return Some(
                value.reshape(-1, value.shape[^1]), output?.reshape(-1, output.shape[^1]), value.shape[0]);
            yield break;
        }
        var weight = layer.Parameter!.Shape.ToArray();
        var (height, width) = convolution.OutputSize(value, weight);
        // The positions are restricted to a grid before some are drawn, so that most windows need not be computed.
        var every = Math.Clamp(
            (int)Math.Sqrt(height * width / Math.Max(1, EnoughRows / images)), 1, (int)Math.Min(height, width));
        var step = Math.Max(1,
            MaxElements / (weight[1] * weight[2] * weight[3] * (height / every + 1) * (width / every + 1)));
        for (long image = 0; image < value.shape[0]; image += step)
        {
            using var chunkScope = torch.NewDisposeScope();
            var part = Math.Min(step, value.shape[0] - image);
            var (row, column) = (random.Next(every), random.Next(every));
            var wanted = output?.narrow(0, image, part)
                .slice(2, row, height, every)
                .slice(3, column, width, every)
                .permute(0, 2, 3, 1);
            yield return Some(
                convolution.Windows(value.narrow(0, image, part), weight, context, every, row, column),
                wanted?.reshape(-1, wanted.shape[^1]),
                part);
        }
    }

    private (torch.Tensor Inputs, torch.Tensor? Outputs) Some(torch.Tensor inputs, torch.Tensor? outputs, long count)
    {
        var wanted = Math.Max(1, EnoughRows / images) * count;
        if (inputs.shape[0] <= wanted)
            return (inputs, outputs);
        var places = new long[wanted];
        for (var i = 0; i < places.Length; i++)
            places[i] = random.NextInt64(inputs.shape[0]);
        var indices = torch.tensor(places, device: inputs.device);
        return (inputs.index_select(0, indices), outputs?.index_select(0, indices));
    }
}

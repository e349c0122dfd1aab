using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Shifts, crops and flips images at random, and their masks with them.</summary>
internal static class ImageAugmentation
{
    /// <summary>Changes each image of a batch independently. Data without height and width stays as it is.</summary>
    /// <param name="images">The images, [images, channels, height, width].</param>
    /// <param name="labels">
    /// The classes of the images, [images], which stay as they are, or class masks, [images, height, width]; null
    /// for none.
    /// </param>
    /// <param name="options">The augmentation options.</param>
    /// <param name="random">The source of randomness.</param>
    /// <returns>The images, and the labels as 64-bit integers.</returns>
    public static (torch.Tensor Images, torch.Tensor? Labels) Apply(
        torch.Tensor images, torch.Tensor? labels, AdaptationOptions options, Random random)
    {
        if (images.dim() != 4)
            return (images, labels?.to(torch.ScalarType.Int64));
        // Masks are moved as images of one channel: single precision holds class numbers exactly.
        var hasMasks = labels?.dim() > 1;
        torch.Tensor[] layers = hasMasks ? [images, labels!.to(torch.ScalarType.Float32).unsqueeze(1)] : [images];
        Crop(layers, options, random);
        if (options.HorizontalFlip)
            Flip(layers, random);
        return (layers[0], (hasMasks ? layers[1].squeeze(1) : labels)?.to(torch.ScalarType.Int64));
    }

    /// <summary>
    /// Cuts a window out of each image, after mirroring the image at its edges as far as the padding goes. If the
    /// window is as large as the image, this is a shift.
    /// </summary>
    private static void Crop(torch.Tensor[] layers, AdaptationOptions options, Random random)
    {
        var (count, height, width) = ((int)layers[0].shape[0], (int)layers[0].shape[2], (int)layers[0].shape[3]);
        var padding = Math.Min(options.CropPadding, Math.Min(height, width) - 1);
        var rows = Math.Min(options.CropSize ?? height, height);
        var columns = Math.Min(options.CropSize ?? width, width);
        var (freeRows, freeColumns) = (height - rows + 2 * padding, width - columns + 2 * padding);
        if (freeRows == 0 && freeColumns == 0)
            return;
        var places = Enumerable.Range(0, count)
            .Select(_ => (Row: random.Next(freeRows + 1), Column: random.Next(freeColumns + 1)))
            .ToArray();
        for (var layer = 0; layer < layers.Length; layer++)
        {
            var padded = padding == 0
                ? layers[layer]
                : torch.nn.functional.pad(layers[layer], [padding, padding, padding, padding], PaddingModes.Reflect);
            layers[layer] = torch.stack(
                [.. places.Select((place, i) =>
                    padded[i].narrow(1, place.Row, rows).narrow(2, place.Column, columns))]);
        }
    }

    private static void Flip(torch.Tensor[] layers, Random random)
    {
        var count = (int)layers[0].shape[0];
        var choices = Enumerable.Range(0, count).Select(_ => random.Next(2) == 1).ToArray();
        var isFlipped = torch.tensor(choices, device: layers[0].device).reshape(count, 1, 1, 1);
        for (var layer = 0; layer < layers.Length; layer++)
            layers[layer] = torch.where(isFlipped, layers[layer].flip(3), layers[layer]);
    }
}

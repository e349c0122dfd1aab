using System.Collections.Immutable;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>Colours masks over their images, for viewing.</summary>
/// <remarks>
/// Input: a column of masks, <c>Vector&lt;Byte, height, width&gt;</c>, and one of images (<see cref="MLImage"/>), such
/// as <c>LoadImages</c> gives, of any size: each pixel takes the colour of the mask's nearest pixel. Output: images of
/// the same size as the input. Pixels without a class, <see cref="MaskLoadingEstimator.Ignored"/>, stay as they are.
/// The reader of an image disposes it. Fitting reads no data. The transformer cannot be saved; see
/// <see cref="FittedPipelines"/>. Create it with
/// <see cref="HdrqCatalog.ColorMasks(TransformsCatalog, string, string, string, MaskColoringOptions)"/>.
/// </remarks>
public sealed class MaskColoringEstimator : IEstimator<ITransformer>
{
    private const int BytesPerPixel = 4;

    private readonly TransformsCatalog _catalog;
    private readonly string _outputColumnName;
    private readonly string _maskColumnName;
    private readonly string _imageColumnName;
    private readonly ImmutableArray<MaskColor> _palette;
    private readonly double _opacity;

    internal MaskColoringEstimator(
        TransformsCatalog catalog, string outputColumnName, string maskColumnName, string imageColumnName,
        MaskColoringOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(maskColumnName);
        ArgumentException.ThrowIfNullOrEmpty(imageColumnName);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _catalog = catalog;
        _outputColumnName = outputColumnName;
        _maskColumnName = maskColumnName;
        _imageColumnName = imageColumnName;
        (_palette, _opacity) = (options.Palette is null ? [] : [.. options.Palette], options.Opacity);
    }

    /// <summary>Makes the transformer. Reads no data.</summary>
    /// <param name="input">Data with the masks and the images.</param>
    /// <returns>The transformer, a row-to-row mapper.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type.</exception>
    public ITransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var column = InputColumn.Find(input.Schema, _maskColumnName);
        if (column.Type is not VectorDataViewType { Dimensions: [> 0 and var height, > 0 and var width] } type
            || type.ItemType != NumberDataViewType.Byte)
        {
            throw Errors.SchemaMismatch(_maskColumnName, "vector of Byte with height and width", column.Type);
        }
        var image = InputColumn.Find(input.Schema, _imageColumnName);
        return image.Type is ImageDataViewType images
            ? Mapping(height, width, images).Fit(input)
            : throw Errors.SchemaMismatch(_imageColumnName, "Image", image.Type);
    }

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>The input's columns with the coloured images.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has the wrong type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        var images = inputSchema
            .Where(column => column.Name == _imageColumnName)
            .Select(column => column.ItemType)
            .ToList();
        return images is [ImageDataViewType type] ? Mapping(1, 1, type).GetOutputSchema(inputSchema)
            : throw (images is [var other]
                ? Errors.SchemaMismatch(_imageColumnName, "Image", other)
                : Errors.MissingColumn(_imageColumnName));
    }

    private CustomMappingEstimator<Source, Result> Mapping(int height, int width, ImageDataViewType type)
    {
        // ML.NET reads and creates only images of registered sizes.
        DataViewTypeManager.Register(
            type,
            typeof(MLImage),
            type.Height > 0 ? new ImageTypeAttribute(type.Height, type.Width) : new ImageTypeAttribute());
        var input = SchemaDefinition.Create(typeof(Source));
        input[nameof(Source.Mask)].ColumnName = _maskColumnName;
        input[nameof(Source.Image)].ColumnName = _imageColumnName;
        input[nameof(Source.Image)].ColumnType = type;
        var output = SchemaDefinition.Create(typeof(Result));
        output[0].ColumnName = _outputColumnName;
        output[0].ColumnType = type;
        return _catalog.CustomMapping<Source, Result>(
            (source, result) => result.Image = Color(source, height, width), contractName: null, input, output);
    }

    private MLImage Color(Source source, int height, int width)
    {
        var image = source.Image ?? throw new InvalidOperationException("There is no image under a mask.");
        var mask = source.Mask.DenseValues().ToArray();
        var pixels = image.Pixels.ToArray();
        if (mask.Length != height * width || pixels.Length != image.Height * image.Width * BytesPerPixel)
        {
            throw new InvalidOperationException(
                $"A mask has {mask.Length} values instead of {height * width}, "
                + $"or its image not {BytesPerPixel} bytes a pixel.");
        }
        var red = image.PixelFormat == MLPixelFormat.Rgba32 ? 0 : 2;
        for (var y = 0; y < image.Height; y++)
        {
            for (var x = 0; x < image.Width; x++)
            {
                var row = (int)((y + 0.5) * height / image.Height);
                var label = mask[row * width + (int)((x + 0.5) * width / image.Width)];
                if (label == MaskLoadingEstimator.Ignored)
                    continue;
                var color = _palette.IsEmpty ? MaskColor.Of(label) : _palette[label % _palette.Length];
                var pixel = pixels.AsSpan((y * image.Width + x) * BytesPerPixel);
                pixel[red] = Mix(pixel[red], color.Red);
                pixel[1] = Mix(pixel[1], color.Green);
                pixel[2 - red] = Mix(pixel[2 - red], color.Blue);
            }
        }
        return MLImage.CreateFromPixels(image.Width, image.Height, image.PixelFormat, pixels);
    }

    private byte Mix(byte below, byte above) => (byte)Math.Round(below + _opacity * (above - below));

    private sealed class Source
    {
        public VBuffer<byte> Mask { get; set; }

        // The attribute requires sizes; those of the column replace them.
        [ImageType(1, 1)]
        public MLImage? Image { get; set; }
    }

    private sealed class Result
    {
        // The attribute requires sizes; those of the column replace them.
        [ImageType(1, 1)]
        public MLImage? Image { get; set; }
    }
}

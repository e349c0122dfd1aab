using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>Loads masks, the labels of semantic segmentation: images with a class number in each pixel.</summary>
/// <remarks>
/// Input: a text column with the paths of PNG files, grey or indexed, with 8 bits or fewer per pixel. The samples are
/// taken as class numbers: in an indexed file these are the palette indices, not the colours. Output:
/// <c>Vector&lt;Byte, height, width&gt;</c> with zero-based classes, and <see cref="Ignored"/> for pixels without a
/// class. A row without a path has a mask without classes. Masks are resized by the nearest pixel, in the same way as
/// <c>ResizeImages</c> with the same sizes and options resizes their images. Fitting reads no data. The transformer
/// cannot be saved: masks are for training and evaluation; see <see cref="FittedPipelines"/>. Create it with
/// <see cref="HdrqCatalog.LoadMasks(TransformsCatalog, string, string?, int, int, MaskLoadingOptions)"/>.
/// </remarks>
public sealed class MaskLoadingEstimator : IEstimator<ITransformer>
{
    /// <summary>The value of pixels without a class, throughout this library: 255.</summary>
    public const byte Ignored = BestClass.NoClass;

    private readonly CustomMappingEstimator<Source, Mask> _mapping;

    internal MaskLoadingEstimator(
        TransformsCatalog catalog, string outputColumnName, string? inputColumnName, int imageWidth, int imageHeight,
        MaskLoadingOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageHeight, 1);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        var resizing = new MaskResizing(imageWidth, imageHeight, options.Resizing, options.CropAnchor);
        var (classes, folder) = (options.Classes(), options.ImageFolder);
        var input = SchemaDefinition.Create(typeof(Source));
        input[0].ColumnName = string.IsNullOrEmpty(inputColumnName) ? outputColumnName : inputColumnName;
        var output = SchemaDefinition.Create(typeof(Mask));
        output[0].ColumnName = outputColumnName;
        output[0].ColumnType = new VectorDataViewType(NumberDataViewType.Byte, imageHeight, imageWidth);
        _mapping = catalog.CustomMapping<Source, Mask>((source, mask) =>
        {
            var path = source.Path.IsEmpty ? null : Path.Combine(folder ?? "", source.Path.ToString());
            var values = path is null ? Nothing(imageWidth * imageHeight) : Load(path, resizing, classes);
            mask.Values = new VBuffer<byte>(values.Length, values);
        }, contractName: null, input, output);
    }

    /// <summary>Makes the transformer. Reads no data.</summary>
    /// <param name="input">Data with the column of paths.</param>
    /// <returns>The transformer, a row-to-row mapper: it loads a mask when a cursor is asked for it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing, or is not text.</exception>
    public ITransformer Fit(IDataView input) => _mapping.Fit(input);

    /// <summary>The shape of the schema after this estimator.</summary>
    /// <param name="inputSchema">The shape before it.</param>
    /// <returns>The input's columns with the masks.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The column of paths is missing, or is not text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _mapping.GetOutputSchema(inputSchema);

    private static byte[] Load(string path, MaskResizing resizing, byte[] classes)
    {
        var (samples, width, height) = IndexedPng.Read(path);
        for (var i = 0; i < samples.Length; i++)
            samples[i] = classes[samples[i]];
        return resizing.Apply(samples, width, height, Ignored);
    }

    private static byte[] Nothing(int size)
    {
        var values = new byte[size];
        values.AsSpan().Fill(Ignored);
        return values;
    }

    private sealed class Source
    {
        public ReadOnlyMemory<char> Path { get; set; }
    }

    private sealed class Mask
    {
        public VBuffer<byte> Values { get; set; }
    }
}

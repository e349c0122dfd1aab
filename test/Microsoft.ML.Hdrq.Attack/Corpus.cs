using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>
/// The files that are damaged: in full precision and quantized, with Gram matrices and names of classes in their
/// metadata, in the forms in which the library writes them, and models of ML.NET.
/// </summary>
internal static class Corpus
{
    private const int Size = 8;
    private const int MaskSize = 32;

    /// <summary>Writes the files to a folder.</summary>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        using var scope = torch.NewDisposeScope();
        using var network = ResNet.Cifar(8, 5, seed: 1, width: 4, Size);
        Write("residual", network, Size, new OnnxSaveOptions());
        Write("half", network, Size, new OnnxSaveOptions { HalfPrecision = true }, quantized: false);
        using (var masks = DeepLab.Small(3, seed: 1, MaskSize, MaskSize, channels: 4))
            Write("masks", masks, MaskSize, new OnnxSaveOptions());

        void Write(string name, Network source, int size, OnnxSaveOptions options, bool quantized = true)
        {
            source.SaveOnnx(Path.Combine(folder, $"{name}.onnx"), options);
            if (!quantized)
                return;
            var images = torch.rand([4, 3, size, size], generator: new torch.Generator(2));
            using var integers = NetworkQuantizer.Quantize(
                source, images, new RoundToNearestOptions { WeightBits = 4, ActivationBits = 4 }, seed: 1);
            integers.SaveOnnx(Path.Combine(folder, $"{name}-quantized.onnx"), options);
            WriteModel(integers, size, Path.Combine(folder, $"{name}.zip"));
        }
    }

    private static void WriteModel(Network network, int size, string path)
    {
        var ml = new MLContext(seed: 1);
        var rows = ml.Data.LoadFromEnumerable(Rows(size), Schema(size));
        using var applied = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(rows);
        ml.Model.Save(applied, rows.Schema, path);
    }

    /// <summary>The height and width of the images that a model of ML.NET takes.</summary>
    public static int SizeOf(string name) => name.StartsWith("masks", StringComparison.Ordinal) ? MaskSize : Size;

    /// <summary>Two rows of an image.</summary>
    public static Row[] Rows(int size) =>
    [
        new() { Pixels = new float[3 * size * size] },
        new() { Pixels = [.. Enumerable.Repeat(0.5f, 3 * size * size)] },
    ];

    /// <summary>Their schema.</summary>
    public static SchemaDefinition Schema(int size)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema["Pixels"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, size, size);
        return schema;
    }

    /// <summary>A row of pixels.</summary>
    internal sealed class Row
    {
        public float[] Pixels { get; set; } = [];
    }
}

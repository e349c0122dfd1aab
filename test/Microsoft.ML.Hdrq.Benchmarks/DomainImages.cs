using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>The images of a folder of domains (<c>domain/train/class/image</c>, and <c>test</c> likewise).</summary>
/// <param name="context">The context.</param>
/// <param name="folder">The folder of domains.</param>
/// <param name="network">A network that takes colour images.</param>
internal sealed class DomainImages(MLContext context, string folder, Network network)
{
    private sealed class Row
    {
        public string Path { get; set; } = "";

        public string Class { get; set; } = "";
    }

    /// <summary>The names of all domains.</summary>
    public string[] Domains => [.. Directory.GetDirectories(folder).Select(path => Path.GetFileName(path)).Order()];

    /// <summary>Reads images of a domain into the columns <c>Pixels</c> and <c>Label</c>.</summary>
    public IDataView Read(string domain, string split)
    {
        var root = Path.Combine(folder, domain, split);
        var rows = context.Data.LoadFromEnumerable(Directory.GetDirectories(root)
            .Order(StringComparer.Ordinal)
            .SelectMany(
                path => Directory.GetFiles(path).Order(StringComparer.Ordinal),
                (path, file) => new Row { Class = Path.GetFileName(path), Path = file })
            .ToArray());
        var shape = network.Graph.Inputs[0].Shape;
        var (height, width) = ((int)shape[2], (int)shape[3]);
        return context.Data.Cache(context.Transforms.LoadImages("Image", imageFolder: null, nameof(Row.Path))
            .Append(context.Transforms.ResizeImages("Image", width, height))
            .Append(context.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(context.Transforms.Conversion.MapValueToKey("Label", nameof(Row.Class)))
            .Fit(rows).Transform(rows), "Pixels", "Label");
    }

    /// <summary>The accuracy of a network on images, in percent.</summary>
    public double Accuracy(NetworkTransformer transformer, IDataView test)
    {
        var name = transformer.GetOutputSchema(test.Schema).Last(column => column.Type is VectorDataViewType).Name;
        return 100 * context.MulticlassClassification
            .Evaluate(transformer.Transform(test), scoreColumnName: name).MicroAccuracy;
    }
}

using System.Collections.Immutable;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Builds a chain of ML.NET's own transformers around ONNX Runtime. It is saved in place of our transformer, which no
/// other process could load, and gives the same columns, row by row.
/// </summary>
internal sealed class ServingChain(
    NetworkAnnotation annotation, string outputColumnName, Prediction prediction, DataViewSchema inputSchema,
    NetworkScorer scorer)
{
    private readonly MLContext _ml = new();

    /// <summary>Builds the chain and saves it.</summary>
    /// <exception cref="NotSupportedException">
    /// The network only takes batches of a fixed size other than 1, ONNX cannot express it, or ONNX Runtime refuses it.
    /// </exception>
    public void Save(ModelSaveContext context)
    {
        using var folder = new TemporaryFolder();
        ITransformer chain;
        try
        {
            chain = Create(folder.Combine("model.onnx"));
        }
        catch (InvalidOperationException exception)
        {
            // ML.NET says that it cannot open the model, and not why.
            var cause = (exception.InnerException ?? exception).Message.Split('\n')[0].Trim();
            throw new NotSupportedException(
                $"ONNX Runtime does not run the network, so that no model can be saved with it: {cause}", exception);
        }
        try
        {
            chain.Save(context);
        }
        finally
        {
            (chain as IDisposable)?.Dispose();
        }
    }

    private ITransformer Create(string file)
    {
        var batch = annotation.Network.Graph.Inputs[0].Shape[0];
        if (batch is not (1 or TensorShape.Dynamic))
        {
            throw new NotSupportedException(
                $"The network was exported for batches of exactly {batch} rows, and a saved model scores row by row. "
                + "Export the network with a dynamic batch dimension.");
        }
        var columnNames = inputSchema.Select(column => column.Name);
        var names = new UniqueNames(columnNames.Concat([outputColumnName, prediction.ColumnName ?? ""]));
        var (input, scores) = (Temporary("input"), Temporary("scores"));
        var predicted = prediction.ColumnName is null ? null : Temporary("label");
        var isMask = prediction.Kind == PredictionKind.Mask;

        // Not as a stream, which ML.NET writes to a file of a random name: one of 32,768 ends in ".ort", and ONNX Runtime
        // takes such a file for one of its own format.
        using (var serving = ServingForm.Apply(
            annotation.Network, input, scorer.InputShape, scores, scorer.ScoreShape, predicted,
            isMask ? MaskLoadingEstimator.Ignored : null, annotation.Settings.Softmax))
        {
            serving.SaveOnnx(file);
        }
        string[] outputs = predicted is null ? [scores] : [scores, predicted];
        IEstimator<ITransformer> chain = _ml.Transforms.CopyColumns(input, annotation.InputColumnName)
            .Append(_ml.Transforms.ApplyOnnxModel(outputs, [input], file))
            .Append(_ml.Transforms.CopyColumns(outputColumnName, scores));
        var temporaries = new List<string>([input, .. outputs]);
        if (predicted is not null && isMask)
        {
            chain = chain.Append(_ml.Transforms.CopyColumns(prediction.ColumnName!, predicted));
        }
        else if (predicted is not null)
        {
            var (hash, name) = (Temporary("hash"), Temporary("name"));
            temporaries.AddRange([hash, name]);
            chain = chain.Append(ToKey(prediction.ColumnName!, predicted, hash, name, prediction.ClassNames));
        }
        chain = chain.Append(_ml.Transforms.DropColumns([.. temporaries]));
        return chain.Fit(NoRows());

        string Temporary(string stem) => names.Fresh($"hdrq.{stem}");
    }

    /// <summary>
    /// Turns the class number, which ONNX Runtime gives as a vector of one element, into a key. Hashing the whole
    /// vector makes a single value of it, which is looked up among the hashes of all classes.
    /// </summary>
    private EstimatorChain<ValueToKeyMappingTransformer> ToKey(
        string labelColumnName, string label, string hash, string name, ImmutableArray<string> names)
    {
        var classes = _ml.Data.LoadFromEnumerable(
            names.Select((text, index) => new NamedClass { Number = [index + 1], Name = text }));
        var numbers = _ml.Data.LoadFromEnumerable(
            Enumerable.Range(0, names.Length + 1).Select(number => new NamedClass { Number = [number] }));
        for (uint seed = 0; ; seed++)
        {
            var lookup = _ml.Transforms.Conversion.Hash(Hash(hash, nameof(NamedClass.Number), seed)).Fit(numbers);
            // It is rare that two classes, or a class and no class, have the same hash; then another seed is tried.
            if (lookup.Transform(numbers).GetColumn<uint>(hash).Distinct().Count() <= names.Length)
                continue;
            var hashed = lookup.Transform(classes);
            return _ml.Transforms.Conversion.Hash(Hash(hash, label, seed))
                .Append(_ml.Transforms.Conversion.MapValue(
                    name, hashed, hashed.Schema[hash], hashed.Schema[nameof(NamedClass.Name)], hash))
                .Append(_ml.Transforms.Conversion.MapValueToKey(
                    labelColumnName,
                    name,
                    keyData: _ml.Transforms.SelectColumns(nameof(NamedClass.Name)).Fit(classes).Transform(classes)));
        }

        static HashingEstimator.ColumnOptions[] Hash(string output, string input, uint seed) =>
            [new(output, input, seed: seed, combine: true)];
    }

    /// <summary>The input column without rows; the transformers need only its type.</summary>
    private IDataView NoRows()
    {
        var definition = SchemaDefinition.Create(typeof(InputRow));
        definition[0].ColumnName = annotation.InputColumnName;
        definition[0].ColumnType = inputSchema[annotation.InputColumnName].Type;
        return _ml.Data.LoadFromEnumerable(Array.Empty<InputRow>(), definition);
    }

    private sealed class InputRow
    {
        public float[] Value { get; set; } = [];
    }

    private sealed class NamedClass
    {
        [VectorType(1)]
        public long[] Number { get; set; } = [];

        public string Name { get; set; } = "";
    }
}

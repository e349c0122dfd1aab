// An application that has ML.NET and ONNX Runtime and nothing of ours: loads a saved model and either scores data in
// ML.NET's binary format and writes what it got, or classifies the images of a folder and writes how many of them
// rightly.
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.LoadOnly;

var ml = new MLContext();
switch (args)
{
    case ["accuracy", var modelPath, var folder]:
        // <class>/<image>
        var files = Directory.GetDirectories(folder).SelectMany(Directory.GetFiles).Order(StringComparer.Ordinal)
            .Select(path => new ImageFile { ImagePath = path }).ToList();
        var predictions = ml.Model.Load(modelPath, out _).Transform(ml.Data.LoadFromEnumerable(files))
            .GetColumn<string>("Prediction");
        var right = files.Zip(predictions)
            .Count(pair => Path.GetFileName(Path.GetDirectoryName(pair.First.ImagePath)) == pair.Second);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{right} of {files.Count}"));
        break;
    case [var modelPath, var dataPath, var scoreColumn, .. var keyColumns]:
        var scored = ml.Model.Load(modelPath, out _).Transform(ml.Data.LoadFromBinary(dataPath));
        Console.WriteLine(string.Join("|", scored.Schema.Select(column => $"{column.Name}: {column.Type}")));
        foreach (var row in scored.GetColumn<VBuffer<float>>(scoreColumn))
            Console.WriteLine(string.Join(
                "|", row.DenseValues().Select(score => score.ToString("R", CultureInfo.InvariantCulture))));
        foreach (var keyColumn in keyColumns)
        {
            var named = ml.Transforms.Conversion.MapKeyToValue(keyColumn).Fit(scored).Transform(scored);
            Console.WriteLine(string.Join("|", named.GetColumn<string>(keyColumn)));
        }
        break;
    default:
        Console.Error.WriteLine("Usage: LoadOnly <model.zip> <data.idv> <score column> [<key column>]");
        Console.Error.WriteLine("       LoadOnly accuracy <model.zip> <folder of <class>/<image>>");
        return 2;
}
var foreign = AppDomain.CurrentDomain.GetAssemblies().Select(assembly => assembly.GetName().Name)
    .Where(name => name is "Microsoft.ML.Hdrq" or "TorchSharp");
Console.WriteLine(foreign.DefaultIfEmpty("none of ours").First());
return 0;

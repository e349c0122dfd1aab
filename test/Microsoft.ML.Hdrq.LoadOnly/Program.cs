// An application that has ML.NET and ONNX Runtime and nothing of ours: loads a saved model, scores data in ML.NET's binary format and writes what it got.
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

if (args is not [var modelPath, var dataPath, var scoreColumn, .. var keyColumns])
{
    Console.Error.WriteLine("Usage: LoadOnly <model.zip> <data.idv> <score column> [<key column>]");
    return 2;
}
var ml = new MLContext();
var model = ml.Model.Load(modelPath, out _);
var scored = model.Transform(ml.Data.LoadFromBinary(dataPath));
Console.WriteLine(string.Join("|", scored.Schema.Select(column => $"{column.Name}: {column.Type}")));
foreach (var row in scored.GetColumn<VBuffer<float>>(scoreColumn))
    Console.WriteLine(string.Join("|", row.DenseValues().Select(score => score.ToString("R", CultureInfo.InvariantCulture))));
foreach (var keyColumn in keyColumns)
{
    var named = ml.Transforms.Conversion.MapKeyToValue(keyColumn).Fit(scored).Transform(scored);
    Console.WriteLine(string.Join("|", named.GetColumn<string>(keyColumn)));
}
var foreign = AppDomain.CurrentDomain.GetAssemblies().Select(assembly => assembly.GetName().Name).Where(name => name is "Microsoft.ML.Hdrq" or "TorchSharp");
Console.WriteLine(foreign.DefaultIfEmpty("none of ours").First());
return 0;

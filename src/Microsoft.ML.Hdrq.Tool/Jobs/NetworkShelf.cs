using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Explanations;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>
/// Keeps finished networks as ONNX files, each with the recipe that it was made by, so that a run that was stopped goes
/// on where it was. A network of another recipe is made anew.
/// </summary>
/// <param name="folder">The folder; null to keep nothing.</param>
internal sealed class NetworkShelf(string? folder)
{
    /// <summary>A network and what identifies it.</summary>
    /// <param name="Network">The network, owned by whoever asked for it.</param>
    /// <param name="Recipe">A hash of everything that it was made of.</param>
    /// <param name="Bytes">The size of its ONNX file.</param>
    /// <param name="IsNew">Whether it was made and not found.</param>
    public sealed record Item(Network Network, string Recipe, long Bytes, bool IsNew) : IDisposable
    {
        public void Dispose() => Network.Dispose();
    }

    /// <summary>Takes a network from the shelf, or makes it and puts it there.</summary>
    /// <param name="name">The network's name, which is also its file's.</param>
    /// <param name="ingredients">Everything that decides about the network.</param>
    /// <param name="make">Makes it; given the folder for its checkpoints, null to keep none.</param>
    public Item Obtain(string name, IEnumerable<string> ingredients, Func<string?, Network> make)
    {
        var recipe = Recipe(ingredients);
        if (folder is null)
        {
            var made = make(null);
            using var counted = new MemoryStream();
            made.SaveOnnx(counted);
            return new Item(made, recipe, counted.Length, IsNew: true);
        }
        Directory.CreateDirectory(folder);
        var (path, recipePath) = (Path.Combine(folder, $"{name}.onnx"), Path.Combine(folder, $"{name}.recipe"));
        var isNew = !File.Exists(path) || !File.Exists(recipePath) || File.ReadAllText(recipePath) != recipe;
        if (isNew)
        {
            using var made = make(CheckpointFolder.Of(path));
            File.Delete(recipePath);
            made.SaveOnnx(path);
            WholeFile.Write(recipePath, Encoding.UTF8.GetBytes(recipe));
            CheckpointFolder.Delete(path);
        }
        // Read back in any case, so that a run gives the same whether it was stopped or not.
        return new Item(Network.LoadOnnx(path), recipe, new FileInfo(path).Length, isNew);
    }

    /// <summary>Takes a network's scores from the shelf, or measures them and puts them there.</summary>
    /// <param name="item">The network.</param>
    /// <param name="name">Its name.</param>
    /// <param name="ingredients">Everything else that decides about the scores.</param>
    /// <param name="measure">Measures them.</param>
    /// <returns>The scores, and whether they were measured and not found.</returns>
    public (IReadOnlyList<DomainScore> Scores, bool IsMeasured) Scores(
        Item item, string name, IEnumerable<string> ingredients, Func<IEnumerable<DomainScore>> measure)
    {
        var recipe = Recipe([item.Recipe, .. ingredients]);
        var path = folder is null ? null : Path.Combine(folder, $"{name}.scores");
        if (path is not null && File.Exists(path) && File.ReadAllLines(path) is [var kept, .. var lines]
            && kept == recipe)
            return ([.. lines.Select(DomainScore.Parse)], false);
        var scores = measure().ToList();
        if (path is not null)
            WholeFile.Write(
                path, Encoding.UTF8.GetBytes(string.Join('\n', [recipe, .. scores.Select(score => score.ToLine())])));
        return (scores, true);
    }

    /// <summary>
    /// Takes what was found out about a method's networks from the shelf, or finds it out and puts it there.
    /// </summary>
    /// <param name="name">What the names of the networks begin with.</param>
    /// <param name="ingredients">Everything that decides about it.</param>
    /// <param name="explain">Finds it out.</param>
    public Explanation Explanation(string name, IEnumerable<string> ingredients, Func<Explanation> explain)
    {
        var recipe = Recipe(ingredients);
        var path = folder is null ? null : Path.Combine(folder, $"{name}.explanation.json");
        var recipePath = $"{path}.recipe";
        if (path is not null && File.Exists(path) && File.Exists(recipePath) && File.ReadAllText(recipePath) == recipe)
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), ExplanationJsonContext.Default.Explanation)
                ?? throw new InvalidDataException($"'{path}' is empty.");
        var found = explain();
        if (path is not null)
        {
            File.Delete(recipePath);
            WholeFile.Write(
                path, JsonSerializer.SerializeToUtf8Bytes(found, ExplanationJsonContext.Default.Explanation));
            WholeFile.Write(recipePath, Encoding.UTF8.GetBytes(recipe));
        }
        return found;
    }

    private static string Recipe(IEnumerable<string> ingredients) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', ingredients))));
}

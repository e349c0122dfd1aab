using System.Text.Json;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>Figures that the reference implementation printed, in <c>Golden/</c>.</summary>
internal static class GoldenFile
{
    public static JsonElement Read(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", name))).RootElement;

    /// <summary>A list of numbers.</summary>
    public static float[] Numbers(this JsonElement list) => [.. list.EnumerateArray().Select(number => number.GetSingle())];

    /// <summary>A tensor as the files hold it: its shape and its elements, row-major.</summary>
    public static (long[] Shape, float[] Values) Tensor(this JsonElement tensor) =>
        ([.. tensor.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())],
            tensor.GetProperty("data").Numbers());
}

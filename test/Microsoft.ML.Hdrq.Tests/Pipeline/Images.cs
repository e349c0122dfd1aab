using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>A row of test data.</summary>
internal sealed class ImageRow
{
    public float[] Pixels { get; set; } = [];

    public string Name { get; set; } = "";

    public string Label { get; set; } = "";

    public int Number { get; set; }

    public float[] Extra { get; set; } = [];
}

/// <summary>A row with its scores.</summary>
internal sealed class ScoredRow
{
    public string Name { get; set; } = "";

    public int Number { get; set; }

    public float[] Extra { get; set; } = [];

    public float[] Score { get; set; } = [];

    public uint PredictedLabel { get; set; }
}

/// <summary>Random test data.</summary>
internal static class Images
{
    public static ImageRow[] Rows(int count, int seed = 1, int pixels = TestNetworks.PixelCount, float range = 1)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable.Range(0, count).Select(number => new ImageRow
            {
                Pixels = [.. Enumerable.Range(0, pixels).Select(_ => range * random.NextSingle())],
                Name = $"image {number}",
                Label = $"class {number % TestNetworks.Classes}",
                Number = number,
                Extra = [.. Enumerable.Range(0, 1 + number % 3).Select(_ => random.NextSingle())],
            }),
        ];
    }

    /// <summary>Rows as data, with pixels of these sizes.</summary>
    public static IDataView View(MLContext ml, IEnumerable<ImageRow> rows, params int[] sizes)
    {
        var definition = SchemaDefinition.Create(typeof(ImageRow));
        definition[nameof(ImageRow.Pixels)].ColumnType =
            new VectorDataViewType(NumberDataViewType.Single,
            sizes is [] ? [TestNetworks.Channels, TestNetworks.Size, TestNetworks.Size] : sizes);
        return ml.Data.LoadFromEnumerable(rows, definition);
    }

    public static string[] ClassNames { get; } =
        [.. Enumerable.Range(0, TestNetworks.Classes).Select(number => $"class {number}")];

    public static float[][] Scores(IDataView data, string column = "Score") =>
        [.. data.GetColumn<VBuffer<float>>(column).Select(value => value.DenseValues().ToArray())];

    /// <summary>Checks that two sets of scores agree.</summary>
    public static void AssertClose(float[][] expected, float[][] actual, float tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        for (var row = 0; row < expected.Length; row++)
        {
            Assert.HasCount(expected[row].Length, actual[row]);
            for (var i = 0; i < expected[row].Length; i++)
                Assert.AreEqual(expected[row][i], actual[row][i], tolerance * Math.Max(1, Math.Abs(expected[row][i])),
                    $"row {row}, score {i}");
        }
    }
}

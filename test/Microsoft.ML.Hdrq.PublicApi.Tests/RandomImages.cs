using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>Light and dark images of random pixels, in two domains.</summary>
internal static class RandomImages
{
    public static string[] ClassNames { get; } = ["dark", "light"];

    public sealed class Row
    {
        [VectorType(SmallClassifier.Channels, SmallClassifier.Size, SmallClassifier.Size)]
        public float[] Pixels { get; set; } = [];

        public string Domain { get; set; } = "";

        /// <summary>The class; ML.NET counts the values of members from 0, and keys in data from 1.</summary>
        [KeyType(2)]
        public uint Label { get; set; }
    }

    public static Row[] Create(int count, int seed = 1)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable.Range(0, count).Select(i =>
            {
                var (isLight, isFog) = (random.Next(2) == 1, i % 2 == 0);
                var brightness = (isLight ? 0.8f : -0.8f) + (isFog ? 0.3f : 0);
                return new Row
                {
                    Pixels = [.. Enumerable.Range(
                        0, SmallClassifier.Channels * SmallClassifier.Size * SmallClassifier.Size)
                        .Select(_ => random.NextSingle() + brightness)],
                    Domain = isFog ? "fog" : "night",
                    Label = isLight ? 1u : 0u,
                };
            }),
        ];
    }
}

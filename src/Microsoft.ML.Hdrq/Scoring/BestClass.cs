using System.Buffers;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>Finds the class with the highest score: the first one on ties, and none if all scores are NaN.</summary>
internal static class BestClass
{
    /// <summary>The value of a mask's pixels that have no class.</summary>
    public const byte NoClass = 255;

    /// <summary>Finds the best class of an image, one-based; 0 for none.</summary>
    public static uint Of(ReadOnlySpan<float> scores)
    {
        var best = -1;
        for (var i = 0; i < scores.Length; i++)
        {
            if (!float.IsNaN(scores[i]) && (best < 0 || scores[i] > scores[best]))
                best = i;
        }
        return (uint)(best + 1);
    }

    /// <summary>Finds the best class of each pixel, zero-based; <see cref="NoClass"/> for none.</summary>
    /// <param name="scores">The scores, plane after plane.</param>
    /// <param name="mask">Receives the classes, one for each pixel of a plane.</param>
    public static void Of(ReadOnlySpan<float> scores, Span<byte> mask)
    {
        var highest = ArrayPool<float>.Shared.Rent(mask.Length);
        mask.Fill(NoClass);
        for (var start = 0; start < scores.Length; start += mask.Length)
        {
            var plane = scores.Slice(start, mask.Length);
            var number = (byte)(start / mask.Length);
            for (var i = 0; i < plane.Length; i++)
            {
                if (mask[i] == NoClass ? !float.IsNaN(plane[i]) : plane[i] > highest[i])
                    (highest[i], mask[i]) = (plane[i], number);
            }
        }
        ArrayPool<float>.Shared.Return(highest);
    }
}

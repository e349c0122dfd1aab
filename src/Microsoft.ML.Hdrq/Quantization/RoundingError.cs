using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How far rounding moves values: in host memory in one vectorized pass, elsewhere by tensor operations. An observer asks a hundred times for every tensor.</summary>
internal static class RoundingError
{
    /// <summary>The mean of <c>|Q(x) - x|^power</c> of each row.</summary>
    /// <param name="values">The values, [rows, n].</param>
    /// <param name="scale">A positive scale for each row, [rows, 1].</param>
    /// <param name="range">The integers.</param>
    /// <param name="power">The power, positive.</param>
    /// <returns>The means, [rows, 1], where the values are.</returns>
    public static torch.Tensor Mean(torch.Tensor values, torch.Tensor scale, QuantizationRange range, double power)
    {
        if (values.shape[1] == 0 || !FusedRounding.CanApply(values, scale))
            return NearestRounding.Instance.Apply(values, scale, range).sub_(values).abs_().pow_(power).mean([1], keepdim: true);
        var (rows, count) = (values.shape[0], values.shape[1]);
        var sums = new double[HostMemory.PieceCount(values.numel(), count)];
        HostMemory.ForPieces(values.numel(), count, (start, length, piece) =>
        {
            var elements = MemoryMarshal.Cast<byte, float>(values.bytes).Slice((int)start, length);
            sums[piece] = Sum(elements, MemoryMarshal.Cast<byte, float>(scale.bytes)[(int)(start / count)], range, power);
        });
        var means = new float[rows];
        var piecesPerRow = sums.Length / (int)rows;
        for (var row = 0; row < rows; row++)
            means[row] = (float)(sums.Skip(row * piecesPerRow).Take(piecesPerRow).Sum() / count);
        return torch.tensor(means).reshape(rows, 1);
    }

    private static double Sum(ReadOnlySpan<float> values, float scale, QuantizationRange range, double power)
    {
        var (least, greatest, scales, exponent) = (new Vector<float>(range.Minimum), new Vector<float>(range.Maximum), new Vector<float>(scale), new Vector<float>((float)(power * Math.Log(2))));
        var total = 0.0;
        var rest = values;
        // Single precision holds the sum of a short stretch; the stretches are added up in double.
        const int stretch = 256;
        while (rest.Length >= Vector<float>.Count)
        {
            var length = Math.Min(stretch, rest.Length) / Vector<float>.Count * Vector<float>.Count;
            var sum = Vector<float>.Zero;
            foreach (var value in MemoryMarshal.Cast<float, Vector<float>>(rest[..length]))
            {
                var rounded = Vector.Min(Vector.Max(Vector.Round(value / scales), least), greatest) * scales;
                sum += Vector.Exp(exponent * Vector.Log2(Vector.Abs(rounded - value)));
            }
            total += Vector.Sum(sum);
            rest = rest[length..];
        }
        foreach (var value in rest)
            total += Math.Pow(Math.Abs(Math.Clamp(MathF.Round(value / scale), range.Minimum, range.Maximum) * scale - value), power);
        return total;
    }
}

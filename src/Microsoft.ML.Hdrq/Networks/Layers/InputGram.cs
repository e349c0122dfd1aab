using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>A Gram matrix as a diagonal and a few directions, <c>diag(d) + F F^T</c>.</summary>
/// <param name="Rest">d, [size], in double precision, none negative.</param>
/// <param name="Factor">F, [size, directions], in double precision.</param>
internal sealed record InputGram(torch.Tensor Rest, torch.Tensor Factor)
{
    /// <summary>
    /// The smallest share of an input's second moment that the directions leave unexplained. An input that they seem to
    /// explain completely would count as a sum of other inputs, which it is not on other images.
    /// </summary>
    private const double MinRest = 0.03;

    /// <summary>
    /// Creates a Gram matrix with a given diagonal, made larger by a few hundredths where the directions explain nearly
    /// all of it.
    /// </summary>
    /// <param name="diagonal">The diagonal of the whole matrix, [size].</param>
    /// <param name="factor">F, [size, directions].</param>
    public static InputGram Of(torch.Tensor diagonal, torch.Tensor factor) =>
        new(torch.maximum(diagonal.sub(factor.square().sum(1)), diagonal.mul(Scalars.Keep(MinRest))), factor);

    /// <summary>
    /// Encodes the matrix as text: the number of directions; for each direction, 1/127 of its largest magnitude as the
    /// unit, and its elements as signed bytes in this unit; then the largest element of the whole matrix's diagonal,
    /// and the diagonal in half precision in units of it. Little-endian, base64.
    /// </summary>
    public string Encode()
    {
        using var scope = torch.NewDisposeScope();
        var (size, rank) = ((int)Factor.shape[0], (int)Factor.shape[1]);
        var columns = Factor.t().contiguous().data<double>().ToArray();
        var diagonal = Rest.add(Factor.square().sum(1), Scalars.One).data<double>().ToArray();
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write(rank);
        for (var column = 0; column < rank; column++)
        {
            var values = columns.AsSpan(column * size, size);
            var unit = (float)(Largest(values) / sbyte.MaxValue);
            writer.Write(unit);
            foreach (var value in values)
                writer.Write((sbyte)Math.Clamp(Math.Round(value / unit), -sbyte.MaxValue, sbyte.MaxValue));
        }
        var largest = (float)Largest(diagonal);
        writer.Write(largest);
        foreach (var value in diagonal)
            writer.Write((Half)(value / largest));
        return Convert.ToBase64String(bytes.GetBuffer(), 0, (int)bytes.Length);

        static double Largest(ReadOnlySpan<double> values)
        {
            var largest = (double)float.Epsilon * sbyte.MaxValue;
            foreach (var value in values)
                largest = Math.Max(largest, Math.Abs(value));
            return largest;
        }
    }

    /// <summary>Decodes what <see cref="Encode"/> wrote for a size; null where the text is something else.</summary>
    public static InputGram? Decode(string text, long size)
    {
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length) || length < sizeof(int))
            return null;
        var rank = BitConverter.ToInt32(bytes);
        if (rank < 0 || rank > size || length != sizeof(int) + rank * (sizeof(float) + size) + sizeof(float) + 2 * size)
            return null;
        var factor = new double[size * rank];
        var position = sizeof(int);
        for (var column = 0; column < rank; column++)
        {
            var unit = BitConverter.ToSingle(bytes, position);
            position += sizeof(float);
            for (var row = 0L; row < size; row++)
                factor[row * rank + column] = unit * (sbyte)bytes[position++];
        }
        var largest = BitConverter.ToSingle(bytes, position);
        var diagonal = Array.ConvertAll(
            MemoryMarshal.Cast<byte, Half>(bytes.AsSpan(position + sizeof(float), 2 * (int)size)).ToArray(),
            value => (double)value * largest);
        return factor.All(double.IsFinite) && diagonal.All(value => double.IsFinite(value) && value >= 0)
            ? Of(torch.tensor(diagonal), torch.tensor(factor).reshape(size, rank))
            : null;
    }
}

using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// The Gram matrix of a layer's inputs x and 1, <c>E [x; 1][x; 1]^T</c>: their mean m, and their covariance as a
/// diagonal and a few directions, <c>E (x - m)(x - m)^T = diag(d) + F F^T</c>.
/// </summary>
/// <param name="Mean">m, [size], in double precision.</param>
/// <param name="Rest">d, [size], in double precision, none negative.</param>
/// <param name="Factor">F, [size, directions], in double precision.</param>
internal sealed record InputGram(torch.Tensor Mean, torch.Tensor Rest, torch.Tensor Factor)
{
    /// <summary>
    /// The smallest share of an input's variance that the directions leave unexplained. An input that they seem to
    /// explain completely would count as a sum of other inputs, which it is not on other images.
    /// </summary>
    private const double MinRest = 0.03;

    /// <summary>
    /// Creates a Gram matrix with given variances, made larger by a few hundredths where the directions explain nearly
    /// all of them.
    /// </summary>
    /// <param name="mean">m, [size].</param>
    /// <param name="variances">The diagonal of the whole covariance, [size].</param>
    /// <param name="factor">F, [size, directions].</param>
    public static InputGram Of(torch.Tensor mean, torch.Tensor variances, torch.Tensor factor) => new(
        mean,
        torch.maximum(variances.sub(factor.square().sum(1)), variances.mul(Scalars.Keep(MinRest))),
        factor);

    /// <summary>
    /// Encodes the matrix as text: the number of directions; for each direction, 1/127 of its largest magnitude as the
    /// unit, and its elements as signed bytes in this unit; then the variances and the means, each as their largest
    /// magnitude and their elements in half precision in units of it. Little-endian, base64.
    /// </summary>
    public string Encode()
    {
        using var scope = torch.NewDisposeScope();
        var (size, rank) = ((int)Factor.shape[0], (int)Factor.shape[1]);
        var columns = Factor.t().contiguous().data<double>().ToArray();
        var variances = Rest.add(Factor.square().sum(1), Scalars.One).data<double>().ToArray();
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
        Write(variances);
        Write(Mean.contiguous().data<double>().ToArray());
        return Convert.ToBase64String(bytes.GetBuffer(), 0, (int)bytes.Length);

        void Write(double[] values)
        {
            var largest = (float)Largest(values);
            writer.Write(largest);
            foreach (var value in values)
                writer.Write((Half)(value / largest));
        }

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
        if (rank < 0 || rank > size
            || length != sizeof(int) + rank * (sizeof(float) + size) + 2 * (sizeof(float) + 2 * size))
        {
            return null;
        }
        var factor = new double[size * rank];
        var position = sizeof(int);
        for (var column = 0; column < rank; column++)
        {
            var unit = BitConverter.ToSingle(bytes, position);
            position += sizeof(float);
            for (var row = 0L; row < size; row++)
                factor[row * rank + column] = unit * (sbyte)bytes[position++];
        }
        var (variances, mean) = (Halves(), Halves());
        return factor.All(double.IsFinite) && mean.All(double.IsFinite)
            && variances.All(value => double.IsFinite(value) && value >= 0)
                ? Of(torch.tensor(mean), torch.tensor(variances), torch.tensor(factor).reshape(size, rank))
                : null;

        double[] Halves()
        {
            var largest = BitConverter.ToSingle(bytes, position);
            var halves = MemoryMarshal.Cast<byte, Half>(bytes.AsSpan(position + sizeof(float), 2 * (int)size));
            position += sizeof(float) + 2 * (int)size;
            return Array.ConvertAll(halves.ToArray(), value => (double)value * largest);
        }
    }
}

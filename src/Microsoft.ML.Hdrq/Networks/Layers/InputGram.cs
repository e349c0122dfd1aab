using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Operators;
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

    /// <summary>What stands in the place of the number of directions before a whole matrix.</summary>
    private const int WholeMark = -1;

    /// <summary>Added to the variances of a whole covariance too: they may all be 0.</summary>
    private const double Tiny = 1e-30;

    /// <summary>What is added to the variances of a whole covariance, relative to their mean.</summary>
    private const double Jitter = 1e-9;

    /// <summary>The sum of the squares of all elements of the covariance.</summary>
    public torch.Tensor SumOfSquares => Rest.Squared().sum()
        .add(Rest.mul(Factor.Squared().sum(1)).sum(), Scalars.Keep(2))
        .add(Factor.t().mm(Factor).Squared().sum(), Scalars.One);

    /// <summary>
    /// Creates a Gram matrix with given variances, made larger by a few hundredths where the directions explain nearly
    /// all of them.
    /// </summary>
    /// <param name="mean">m, [size].</param>
    /// <param name="variances">The diagonal of the whole covariance, [size].</param>
    /// <param name="factor">F, [size, directions].</param>
    public static InputGram Of(torch.Tensor mean, torch.Tensor variances, torch.Tensor factor) => new(
        mean,
        torch.maximum(variances.sub(factor.Squared().sum(1)), variances.mul(Scalars.Keep(MinRest))),
        factor);

    /// <summary>Creates a Gram matrix with a whole covariance, as its Cholesky factor.</summary>
    /// <param name="mean">m, [size].</param>
    /// <param name="covariance">The covariance, [size, size], positive semidefinite but for rounding.</param>
    public static InputGram Whole(torch.Tensor mean, torch.Tensor covariance)
    {
        using var scope = torch.NewDisposeScope();
        // Inputs that depend on others, or are always 0, need a little more to have a factor.
        var jitter = covariance.diagonal().mean().mul(Scalars.Keep(Jitter))
            .add(Scalars.Keep(Tiny), Scalars.One);
        var factor = torch.linalg.cholesky(
            covariance.add(torch.eye(mean.shape[0], dtype: covariance.dtype).mul(jitter), Scalars.One));
        return new(mean, torch.zeros_like(mean).MoveToOuterDisposeScope(), factor.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// Encodes a matrix of <see cref="Whole"/> as text: <see cref="WholeMark"/>, the variances and the means as
    /// <see cref="Encode"/> does, and then row after row the elements of the triangular factor up to its diagonal, in
    /// half precision in units of the row's norm, which the variances say.
    /// </summary>
    public string EncodeWhole()
    {
        using var scope = torch.NewDisposeScope();
        var size = (int)Factor.shape[0];
        var rows = Factor.contiguous().data<double>().ToArray();
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write(WholeMark);
        Write(writer, Factor.Squared().sum(1).data<double>().ToArray());
        Write(writer, Mean.contiguous().data<double>().ToArray());
        for (var row = 0; row < size; row++)
        {
            var values = rows.AsSpan(row * size, row + 1);
            var norm = Math.Sqrt(TensorPrimitives.SumOfSquares<double>(values));
            foreach (var value in values)
                writer.Write((Half)(value / norm));
        }
        return Convert.ToBase64String(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

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
        var variances = Rest.add(Factor.Squared().sum(1), Scalars.One).data<double>().ToArray();
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
        Write(writer, variances);
        Write(writer, Mean.contiguous().data<double>().ToArray());
        return Convert.ToBase64String(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    /// <summary>
    /// Decodes what <see cref="Encode"/> or <see cref="EncodeWhole"/> wrote for a size; null where the text is
    /// something else.
    /// </summary>
    public static InputGram? Decode(string text, long size)
    {
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length) || length < sizeof(int))
            return null;
        var rank = BitConverter.ToInt32(bytes);
        if (rank == WholeMark)
            return DecodeWhole(bytes.AsSpan(sizeof(int), length - sizeof(int)), (int)size);
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
        var (variances, mean) = ReadMoments(bytes.AsSpan(position), (int)size);
        return factor.All(double.IsFinite) && AreMoments(variances, mean)
            ? Of(HostValues.Tensor(mean), HostValues.Tensor(variances), HostValues.Tensor(factor).reshape(size, rank))
            : null;
    }

    private static InputGram? DecodeWhole(ReadOnlySpan<byte> bytes, int size)
    {
        if (bytes.Length != 2 * (sizeof(float) + 2L * size) + size * (size + 1L))
            return null;
        var (variances, mean) = ReadMoments(bytes, size);
        if (!AreMoments(variances, mean))
            return null;
        var triangle = MemoryMarshal.Cast<byte, Half>(bytes[(2 * (sizeof(float) + 2 * size))..]);
        var factor = new double[size * size];
        for (var row = 0; row < size; row++)
        {
            var values = factor.AsSpan(row * size, row + 1);
            for (var column = 0; column <= row; column++)
                values[column] = (double)triangle[row * (row + 1) / 2 + column];
            var norm = Math.Sqrt(TensorPrimitives.SumOfSquares<double>(values));
            if (!(norm > 0 && norm < 2))
                return null;
            // The row's norm is exactly what the variance says.
            TensorPrimitives.Multiply(values, Math.Sqrt(variances[row]) / norm, values);
        }
        return new(
            HostValues.Tensor(mean), torch.zeros([size], torch.ScalarType.Float64),
            HostValues.Tensor(factor).reshape(size, size));
    }

    /// <summary>Writes numbers: their largest magnitude, and each in half precision in units of it.</summary>
    private static void Write(BinaryWriter writer, double[] values)
    {
        var largest = (float)Largest(values);
        writer.Write(largest);
        foreach (var value in values)
            writer.Write((Half)(value / largest));
    }

    private static double Largest(ReadOnlySpan<double> values)
    {
        var largest = (double)float.Epsilon * sbyte.MaxValue;
        foreach (var value in values)
            largest = Math.Max(largest, Math.Abs(value));
        return largest;
    }

    /// <summary>Reads variances and means.</summary>
    private static (double[] Variances, double[] Mean) ReadMoments(ReadOnlySpan<byte> bytes, int size)
    {
        var length = sizeof(float) + 2 * size;
        return (Halves(bytes[..length]), Halves(bytes.Slice(length, length)));

        static double[] Halves(ReadOnlySpan<byte> bytes)
        {
            var largest = BitConverter.ToSingle(bytes);
            var halves = MemoryMarshal.Cast<byte, Half>(bytes[sizeof(float)..]);
            return Array.ConvertAll(halves.ToArray(), value => (double)value * largest);
        }
    }

    private static bool AreMoments(double[] variances, double[] mean) =>
        mean.All(double.IsFinite) && variances.All(value => double.IsFinite(value) && value >= 0);
}

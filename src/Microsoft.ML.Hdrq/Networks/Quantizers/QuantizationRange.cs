using System.Numerics;

namespace Microsoft.ML.Hdrq.Networks.Quantizers;

/// <summary>
/// The integers of a uniform quantizer without zero point: <c>-2^(b-1)</c> to <c>2^(b-1) - 1</c> when signed, 0 to
/// <c>2^b - 1</c> when unsigned. A quantizer with zero point z equals one without zero point whose integers are shifted
/// by z, because <c>clamp(round(x / s) + z, a, b) - z = clamp(round(x / s), a - z, b - z)</c>; <see cref="Between"/>
/// makes its range.
/// </summary>
public readonly record struct QuantizationRange
{
    /// <summary>The minimum number of bits.</summary>
    public const int MinBits = 2;

    /// <summary>The maximum number of bits.</summary>
    public const int MaxBits = 8;

    /// <summary>Creates a range.</summary>
    /// <param name="bits">2 to 8.</param>
    /// <param name="isSigned">Whether there are negative integers.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bits"/> is not from 2 to 8.</exception>
    public QuantizationRange(int bits, bool isSigned)
    {
        if (bits is < MinBits or > MaxBits)
            throw new ArgumentOutOfRangeException(nameof(bits), bits, $"A quantizer has {MinBits} to {MaxBits} bits.");
        Minimum = isSigned ? -(1 << (bits - 1)) : 0;
        Maximum = Minimum + (1 << bits) - 1;
    }

    private QuantizationRange(int minimum, int maximum)
    {
        Minimum = minimum;
        Maximum = maximum;
    }

    /// <summary>
    /// The integers -64 to 64 of a weight with 8 bits that is multiplied by unsigned bytes. Two of the products make at
    /// most <c>2 * 255 * 64 = 32,640</c>, which fits into 16 bits: x86 CPUs without VNNI hold each sum of two products
    /// of signed weights within 16 bits.
    /// </summary>
    internal static QuantizationRange Reduced { get; } = new(-64, 64);

    /// <summary>The smallest integer, not positive.</summary>
    public int Minimum { get; }

    /// <summary>The largest integer, not negative.</summary>
    public int Maximum { get; }

    /// <summary>The number of bits that the integers need, 2 to 8.</summary>
    public int Bits => 32 - BitOperations.LeadingZeroCount((uint)(Maximum - Minimum));

    /// <summary>Whether there are negative integers.</summary>
    public bool IsSigned => Minimum < 0;

    /// <summary>Creates a range of any integers that include 0, such as that of a quantizer with zero point.</summary>
    /// <param name="minimum">The smallest integer, not positive.</param>
    /// <param name="maximum">The largest integer, not negative; 2 to 255 more than <paramref name="minimum"/>.</param>
    /// <returns>The range.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such range.</exception>
    public static QuantizationRange Between(int minimum, int maximum) => IsRange(minimum, maximum)
        ? new QuantizationRange(minimum, maximum)
        : throw new ArgumentOutOfRangeException(
            nameof(maximum), maximum,
            $"A quantizer of {MinBits} to {MaxBits} bits, with 0 among its integers, "
            + $"cannot have the integers {minimum} to {maximum}.");

    /// <summary>
    /// The scale that spreads the integers over real values from -<paramref name="largest"/> (0 when unsigned) to
    /// <paramref name="largest"/>: <c>largest / ((max - min) / 2)</c> when signed, so 7.5 steps on each side at 4 bits,
    /// and <c>largest / max</c> when not.
    /// </summary>
    /// <param name="largest">The largest absolute value to represent.</param>
    /// <returns>The scale.</returns>
    public double ScaleFor(double largest) => largest / (IsSigned ? (Maximum - Minimum) / 2.0 : Maximum);

    /// <inheritdoc/>
    public override string ToString() =>
        this == new QuantizationRange(Bits, IsSigned)
            ? $"{(IsSigned ? "signed" : "unsigned")} {Bits} bits"
            : $"{Minimum} to {Maximum}";

    /// <summary>Whether all integers are among those of another range.</summary>
    internal bool IsWithin(QuantizationRange other) => Minimum >= other.Minimum && Maximum <= other.Maximum;

    /// <summary>Whether there is a range with these bounds.</summary>
    internal static bool IsRange(long minimum, long maximum) =>
        minimum <= 0 && maximum >= 0 && maximum - minimum is > 1 and < 1 << MaxBits;
}

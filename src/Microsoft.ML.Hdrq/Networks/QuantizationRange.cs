namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// The integers of a uniform quantizer without zero point: <c>-2^(b-1)</c> to <c>2^(b-1) - 1</c> where it is signed, 0 to <c>2^b - 1</c> where it is not.
/// </summary>
public readonly record struct QuantizationRange
{
    /// <summary>The fewest bits.</summary>
    public const int MinBits = 2;

    /// <summary>The most bits.</summary>
    public const int MaxBits = 8;

    /// <summary>Makes a range.</summary>
    /// <param name="bits">2 to 8.</param>
    /// <param name="isSigned">Whether there are negative integers.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bits"/> is not from 2 to 8.</exception>
    public QuantizationRange(int bits, bool isSigned)
    {
        if (bits is < MinBits or > MaxBits)
            throw new ArgumentOutOfRangeException(nameof(bits), bits, $"A quantizer has {MinBits} to {MaxBits} bits.");
        Bits = bits;
        IsSigned = isSigned;
    }

    /// <summary>The number of bits, 2 to 8.</summary>
    public int Bits { get; }

    /// <summary>Whether there are negative integers.</summary>
    public bool IsSigned { get; }

    /// <summary>The least integer.</summary>
    public int Minimum => IsSigned ? -(1 << (Bits - 1)) : 0;

    /// <summary>The greatest integer.</summary>
    public int Maximum => IsSigned ? (1 << (Bits - 1)) - 1 : (1 << Bits) - 1;

    /// <summary>
    /// The scale that spreads the integers over real values from -<paramref name="largest"/> (0 when unsigned) to <paramref name="largest"/>:
    /// <c>largest / ((max - min) / 2)</c> when signed, so 7.5 steps to a side at 4 bits, and <c>largest / max</c> when not.
    /// </summary>
    /// <param name="largest">The greatest absolute value to represent.</param>
    /// <returns>The scale.</returns>
    public double ScaleFor(double largest) => largest / (IsSigned ? (Maximum - Minimum) / 2.0 : Maximum);

    /// <inheritdoc/>
    public override string ToString() => $"{(IsSigned ? "signed" : "unsigned")} {Bits} bits";
}

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>The colour of a class.</summary>
/// <param name="Red">Red, 0 to 255.</param>
/// <param name="Green">Green.</param>
/// <param name="Blue">Blue.</param>
public readonly record struct MaskColor(byte Red, byte Green, byte Blue)
{
    /// <summary>
    /// Gives each class a colour such that classes with close numbers look different: the palette of the masks of
    /// Pascal VOC (Everingham et al., IJCV 2010), 255 colours, none black.
    /// </summary>
    /// <param name="label">The class, 0 to 254.</param>
    /// <returns>The colour.</returns>
    /// <remarks>
    /// Bits 0, 3 and 6 of the class number plus 1 become the highest bits of red, bits 1, 4 and 7 those of green, and
    /// bits 2 and 5 those of blue, the lowest first.
    /// </remarks>
    public static MaskColor Of(byte label)
    {
        var number = label + 1;
        return new MaskColor(Bits(0), Bits(1), Bits(2));

        byte Bits(int first) =>
            (byte)((number >> first & 1) << 7 | (number >> (first + 3) & 1) << 6 | (number >> (first + 6) & 1) << 5);
    }
}

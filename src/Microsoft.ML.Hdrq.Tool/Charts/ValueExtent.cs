namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>What the axis of values must show.</summary>
/// <param name="Smallest">The smallest value.</param>
/// <param name="Largest">The largest value.</param>
/// <param name="RoomBelow">What is drawn below the smallest value, such as half a marker, in logical pixels.</param>
/// <param name="RoomAbove">What is drawn above the largest value, such as a label, in logical pixels.</param>
internal readonly record struct ValueExtent(double Smallest, double Largest, double RoomBelow, double RoomAbove)
{
    /// <summary>The ends of an axis that shows all of it.</summary>
    /// <param name="low">The maximum of the lower end.</param>
    /// <param name="high">The minimum of the upper end.</param>
    /// <param name="length">The length of the axis in logical pixels.</param>
    public (double Low, double High) Fit(double low, double high, double length)
    {
        low = Math.Min(low, Smallest);
        high = Math.Max(high, Largest);
        if (high == low)
            high++;
        // An upper bound of the values per pixel, as the rooms need not both reach beyond the axis.
        var perPixel = (high - low) / Math.Max(length - RoomBelow - RoomAbove, Math.Max(length / 2, 1));
        return (Math.Min(low, Smallest - RoomBelow * perPixel), Math.Max(high, Largest + RoomAbove * perPixel));
    }
}

using System.Runtime.InteropServices;

namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// Sizes with which a network is computed once, to learn of its values what its file does not say.
/// </summary>
internal static class TrialShapes
{
    /// <summary>Sizes to try for dimensions of the input that are not known.</summary>
    private static readonly long[] Guesses = [64, 224];

    /// <summary>The shapes to try, in order.</summary>
    /// <param name="input">The network's input.</param>
    /// <param name="rows">The number of rows where that is not known.</param>
    /// <param name="maxElements">The most elements that a shape may have; those with more are left out.</param>
    public static IEnumerable<long[]> Of(GraphValue input, long rows, long maxElements)
    {
        foreach (var guess in input.Shape[1..].Contains(TensorShape.Dynamic) ? Guesses : Guesses[..1])
        {
            long[] shape =
            [
                .. input.Shape.ToArray()
                    .Select((size, d) => size != TensorShape.Dynamic ? size : d == 0 ? rows : guess),
            ];
            // The count is not a number where it overflows.
            if (TensorShape.ElementCount(shape) <= maxElements)
                yield return shape;
        }
    }

    /// <summary>Whether an exception says that the graph needs other sizes than these.</summary>
    public static bool AreWrong(Exception exception) => exception is InvalidOperationException or NotSupportedException
        or ArgumentException or InvalidDataException or ExternalException;
}

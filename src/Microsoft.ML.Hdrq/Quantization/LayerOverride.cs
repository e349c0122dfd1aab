namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>An exception to the bits of a quantized network, for layers chosen by name.</summary>
public sealed class LayerOverride
{
    /// <summary>Makes an exception.</summary>
    /// <param name="pattern">A regular expression; it holds for every weighted layer whose node name it matches anywhere.</param>
    /// <exception cref="ArgumentException">The pattern is not a regular expression.</exception>
    public LayerOverride(string pattern)
    {
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        _ = new System.Text.RegularExpressions.Regex(pattern);
        Pattern = pattern;
    }

    /// <summary>The regular expression for the names of nodes.</summary>
    public string Pattern { get; }

    /// <summary>Whether the layer's weight and input stay in floating point. Default: false.</summary>
    public bool Skip { get; init; }

    /// <summary>Bits of the weight, 2 to 8; null, the default, for what the layer would have otherwise.</summary>
    public int? WeightBits { get; init; }

    /// <summary>Bits of the layer's input, 2 to 8; null, the default, for what it would have otherwise.</summary>
    public int? ActivationBits { get; init; }
}

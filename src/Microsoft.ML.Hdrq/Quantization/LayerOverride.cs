using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>An exception to the bits of a quantized network, for layers chosen by name.</summary>
public sealed class LayerOverride
{
    private static readonly TimeSpan _matchTimeout = TimeSpan.FromSeconds(1);

    private readonly Regex _regex;

    /// <summary>Makes an exception.</summary>
    /// <param name="pattern">A regular expression; it holds for every weighted layer, and every product of two activations (attention), whose node name it matches anywhere.</param>
    /// <exception cref="ArgumentException">The pattern is not a regular expression.</exception>
    public LayerOverride(string pattern)
    {
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        _regex = new Regex(pattern, RegexOptions.CultureInvariant, _matchTimeout);
        Pattern = pattern;
    }

    /// <summary>The regular expression for the names of nodes.</summary>
    public string Pattern { get; }

    /// <summary>Whether the layer's weight and input, or both inputs of the product, stay in floating point. Default: false.</summary>
    public bool Skip { get; init; }

    /// <summary>Bits of the weight, 2 to 8; null, the default, for what the layer would have otherwise.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not from 2 to 8.</exception>
    public int? WeightBits { get; init => field = Checked(value); }

    /// <summary>
    /// Bits of the layer's input, 2 to 8; null, the default, for what it would have otherwise. The network's own input has them only under
    /// <see cref="QuantizerPlacement.Integer"/>.
    /// </summary>
    /// <inheritdoc cref="WeightBits" path="/exception"/>
    public int? ActivationBits { get; init => field = Checked(value); }

    /// <summary>Whether the exception holds for a layer.</summary>
    /// <exception cref="InvalidOperationException">The pattern takes too long.</exception>
    internal bool Matches(string name)
    {
        try
        {
            return _regex.IsMatch(name);
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new InvalidOperationException($"The pattern '{Pattern}' takes more than {_matchTimeout.TotalSeconds} s to match the layer name '{name}'.", exception);
        }
    }

    private static int? Checked(int? bits) => bits is < QuantizationRange.MinBits or > QuantizationRange.MaxBits
        ? throw new ArgumentOutOfRangeException(nameof(bits), bits, $"A quantizer has {QuantizationRange.MinBits} to {QuantizationRange.MaxBits} bits.")
        : bits;
}

using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>An exception to the bits of a quantized network, for layers selected by name.</summary>
public sealed class LayerOverride
{
    private static readonly TimeSpan _matchTimeout = TimeSpan.FromSeconds(1);

    private readonly Regex _regex;

    /// <summary>Creates an exception.</summary>
    /// <param name="pattern">
    /// A regular expression. The exception applies to every weighted layer and every product of two activations
    /// (attention) whose node name contains a match.
    /// </param>
    /// <exception cref="ArgumentException">The pattern is empty or not a regular expression.</exception>
    public LayerOverride(string pattern)
    {
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        _regex = new Regex(pattern, RegexOptions.CultureInvariant, _matchTimeout);
        Pattern = pattern;
    }

    /// <summary>The regular expression for the names of nodes.</summary>
    public string Pattern { get; }

    /// <summary>
    /// Whether the layer's weight and input, or both inputs of the product, stay in floating point; false by default.
    /// </summary>
    public bool Skip { get; init; }

    /// <summary>The bits of the weight, 2 to 8; null, the default, leaves the layer's bits unchanged.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not from 2 to 8.</exception>
    public int? WeightBits { get; init => field = Checked(value); }

    /// <summary>
    /// The bits of the layer's input, 2 to 8; null, the default, leaves the input's bits unchanged. For the network's
    /// own input, this applies only with <see cref="QuantizerPlacement.Integer"/>.
    /// </summary>
    /// <inheritdoc cref="WeightBits" path="/exception"/>
    public int? ActivationBits { get; init => field = Checked(value); }

    /// <summary>
    /// Whether the weight, if it has 8 bits, has the integers -64 to 64 in place of -128 to 127; null, the default,
    /// applies <see cref="QuantizationOptions.ReduceRange"/>.
    /// </summary>
    public bool? ReduceRange { get; init; }

    /// <summary>
    /// Gets the exceptions that give another network of the same layers the bits and ranges of a quantized network,
    /// one for each layer name. They pass what one site chose, by <c>TargetSize</c> or otherwise, to the sites whose
    /// networks are to be merged with its network.
    /// </summary>
    /// <param name="network">The quantized network, for example from the ONNX file of the other site.</param>
    /// <returns>The exceptions.</returns>
    public static IReadOnlyList<LayerOverride> Of(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return
        [
            .. from layer in network.Graph.Layers.All.DistinctBy(layer => layer.Name)
               select new LayerOverride(Exactly(layer.Name))
               {
                   Skip = layer.WeightBits is null && layer.ActivationBits is null,
                   WeightBits = layer.WeightBits,
                   ActivationBits = layer.ActivationBits,
                   ReduceRange = layer.WeightQuantizer is { Operator.Range: { Bits: QuantizationRange.MaxBits } range }
                       ? range == QuantizationRange.Reduced
                       : null,
               },
        ];
    }

    /// <summary>Formats the exception as C#, to be pasted into a list of exceptions.</summary>
    /// <returns>For example <c>new(@"^conv1$") { WeightBits = 8 }</c>.</returns>
    public override string ToString()
    {
        string?[] settings =
        [
            Skip ? "Skip = true" : null,
            WeightBits is { } weight ? $"WeightBits = {weight}" : null,
            ActivationBits is { } activation ? $"ActivationBits = {activation}" : null,
            ReduceRange is { } reduce ? $"ReduceRange = {(reduce ? "true" : "false")}" : null,
        ];
        var initializer = string.Join(", ", settings.OfType<string>());
        var pattern = Pattern.Replace("\"", "\"\"", StringComparison.Ordinal);
        return $"new(@\"{pattern}\"){(initializer.Length > 0 ? $" {{ {initializer} }}" : "")}";
    }

    /// <summary>Makes the pattern that matches only this name.</summary>
    internal static string Exactly(string name) => $"^{Regex.Escape(name)}$";

    /// <summary>Whether the exception applies to a layer.</summary>
    /// <exception cref="InvalidOperationException">The pattern takes too long.</exception>
    internal bool Matches(string name)
    {
        try
        {
            return _regex.IsMatch(name);
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new InvalidOperationException(
                $"The pattern '{Pattern}' takes more than {_matchTimeout.TotalSeconds} s "
                + $"to match the layer name '{name}'.",
                exception);
        }
    }

    private static int? Checked(int? bits) =>
        bits is < QuantizationRange.MinBits or > QuantizationRange.MaxBits
            ? throw new ArgumentOutOfRangeException(
                nameof(bits),
                bits,
                $"A quantizer has {QuantizationRange.MinBits} to {QuantizationRange.MaxBits} bits.")
            : bits;
}

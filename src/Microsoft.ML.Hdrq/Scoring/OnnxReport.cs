using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>
/// Reports the size of a network's ONNX file, and which layers ONNX Runtime computes on integers on this machine.
/// </summary>
public sealed class OnnxReport
{
    private const string IntegerPlacement =
        "Quantize with QuantizerPlacement.Integer and no override that skips what is next to it.";

    private OnnxReport(long fileSize, long fullPrecisionSize, ImmutableArray<LayerReport> layers, OptimizedGraph graph)
    {
        FileSize = fileSize;
        FullPrecisionSize = fullPrecisionSize;
        Layers = layers;
        IntegerOperators = graph.IntegerOperators;
        FloatOperators = graph.FloatOperators;
        Conversions = graph.Conversions;
    }

    /// <summary>The size of the file in bytes, including an external data file.</summary>
    public long FileSize { get; }

    /// <summary>
    /// The size of the network's weights and statistics in single precision, in bytes: nearly all of a file in full
    /// precision.
    /// </summary>
    public long FullPrecisionSize { get; }

    /// <summary>The layers with weights, in the order of the graph.</summary>
    public ImmutableArray<LayerReport> Layers { get; }

    /// <summary>
    /// How often each operator computes on integers, by its name in ONNX Runtime's optimized graph.
    /// </summary>
    public ImmutableSortedDictionary<string, int> IntegerOperators { get; }

    /// <summary>How often each operator computes in floating point.</summary>
    public ImmutableSortedDictionary<string, int> FloatOperators { get; }

    /// <summary>
    /// How often floats are converted to integers, or integers to floats. A network that computes on integers
    /// throughout has two conversions: at its input and at its scores.
    /// </summary>
    public int Conversions { get; }

    /// <summary>Summarizes size, layers by bits, and operators in one line.</summary>
    public string Summary => string.Create(CultureInfo.InvariantCulture,
        $"{FileSize:N0} bytes, {(double)FileSize / FullPrecisionSize:P1} of full precision; "
        + $"{Layers.Count(layer => layer.IsInteger)} of {Layers.Length} layers are integer kernels ({DescribeBits()}); "
        + $"{IntegerOperators.Values.Sum()} of {IntegerOperators.Values.Sum() + FloatOperators.Values.Sum()} operators "
        + $"compute on integers, {Conversions} conversions");

    /// <summary>
    /// Writes a network as an ONNX file, as
    /// <see cref="OnnxNetworkExtensions.SaveOnnx(Network, string, OnnxSaveOptions?)"/> does, lets ONNX Runtime optimize
    /// it, and examines the result.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How to write it; null for the defaults.</param>
    /// <returns>The report.</returns>
    /// <exception cref="ArgumentException">
    /// The options are out of range, or the external file is not a plain file name.
    /// </exception>
    /// <exception cref="NotSupportedException">ONNX cannot express the network.</exception>
    /// <exception cref="OnnxRuntimeException">
    /// ONNX Runtime rejects the model; the file is written all the same.
    /// </exception>
    public static OnnxReport Save(Network network, string path, OnnxSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var use = network.Use();
        network.SaveOnnx(path, options);
        var external = options?.ExternalDataFile is { } name
            ? new FileInfo(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name)).Length
            : 0;
        return Of(network, new FileInfo(path).Length + external, OptimizedGraph.Of(path, network.Graph));
    }

    /// <summary>Writes a network to memory, lets ONNX Runtime optimize it, and examines the result.</summary>
    /// <param name="network">The network.</param>
    /// <param name="options">How to write it; null for the defaults.</param>
    /// <returns>The report.</returns>
    /// <exception cref="ArgumentException">The options ask for an external file.</exception>
    /// <exception cref="NotSupportedException">ONNX cannot express the network.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime rejects the model.</exception>
    public static OnnxReport Of(Network network, OnnxSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var use = network.Use();
        using var file = new MemoryStream();
        network.SaveOnnx(file, options);
        return Of(network, file.Length, OptimizedGraph.Of(file.ToArray(), network.Graph));
    }

    private static OnnxReport Of(Network network, long fileSize, OptimizedGraph optimized)
    {
        var flow = network.Graph.Flow;
        var biases = IntegerBias.Find(network.Graph).ToDictionary(bias => bias.Layer);
        var layers = network.Graph.Layers.Weighted.Select(Describe).ToImmutableArray();
        var fullPrecision = network.Graph.Parameters
            .Where(parameter => parameter.Role != ParameterRole.Constant)
            .Sum(parameter => 4 * TensorShape.ElementCount(parameter.Shape) ?? 0);
        return new OnnxReport(fileSize, fullPrecision, layers, optimized);

        LayerReport Describe(Layer layer)
        {
            string[] names = layer.WeightQuantizer is null ? [layer.WeightInput] : [layer.Weight, layer.WeightInput];
            var isInteger = optimized.ComputesOnIntegers(names);
            var (reason, remedy) = isInteger ? default : Why(layer);
            return new LayerReport(
                layer.Name, layer.Operator.Type, layer.WeightBits, layer.ActivationBits, isInteger,
                isInteger && optimized.HasSignedBytes(names), reason, remedy);
        }

        (string Reason, string Remedy) Why(Layer layer) => (layer.WeightBits, layer.ActivationBits) switch
        {
            (null, _) when !network.IsQuantized =>
                ("Its weight is not quantized.", "Quantize the network."),
            (null, _) when layer.Parameter is null =>
                ("Its weight is not quantized.", "It is computed from other values: make it a tensor of the file."),
            (null, _) =>
                ("Its weight is not quantized.", $"Quantize without an override that skips '{layer.Name}'."),
            (_, null) => ("Its input is not quantized.", IntegerPlacement),
            _ when !layer.Operator.HasIntegerKernel =>
                ($"ONNX Runtime has no integer kernel for {layer.Operator.Type}.",
                "A network with Resize and a convolution in its place would have one."),
            _ when layer.Operator is MatMul && !IsOutputQuantized(layer) =>
                ("ONNX Runtime makes one product in floating point of it and the addition behind it, where the number of "
                    + "rows is fixed.",
                "Score the ONNX file, whose batch is open."),
            _ when !IsOutputQuantized(layer) => ("Its output is not quantized.", IntegerPlacement),
            _ when layer.Bias is not null && !HasIntegerBias(layer) =>
                ("Its bias is not a whole number of the steps in which products are summed.", IntegerPlacement),
            _ => ("ONNX Runtime has no integer kernel for it, or none for what comes between it and the next "
                + $"quantizer{Between(layer)}.", "Export the network with Relu or Clip there."),
        };

        string Between(Layer layer)
        {
            var next = flow.Readers(layer.Output).FirstOrDefault(reader => reader.Operator is not FakeQuantize);
            return next is null ? "" : $" ({next.Operator.Type})";
        }

        bool IsOutputQuantized(Layer layer)
        {
            var readers = flow.Readers(layer.Output).ToList();
            while (readers is [var activation] && activation.Operator.Traits.HasFlag(OperatorTraits.FusedActivation))
                readers = [.. flow.Readers(activation.Outputs[0])];
            return readers.Count > 0 && readers.All(reader => reader.Operator is FakeQuantize);
        }

        bool HasIntegerBias(Layer layer)
        {
            using var integers = biases.TryGetValue(layer.Node, out var bias)
                ? bias.Integers(network.Parameters)
                : null;
            return integers is not null;
        }
    }

    /// <summary>
    /// The report as text: the summary, the operators, and the layers that are not integer, with the reason.
    /// </summary>
    /// <returns>Several lines of text.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(Summary);
        text.AppendLine(CultureInfo.InvariantCulture, $"integer: {Describe(IntegerOperators)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"floating point: {Describe(FloatOperators)}");
        foreach (var layer in Layers.Where(layer => !layer.IsInteger))
            text.AppendLine(CultureInfo.InvariantCulture, $"{layer.Name} ({layer.Type}): {layer.Reason} {layer.Remedy}");
        return text.ToString();

        static string Describe(ImmutableSortedDictionary<string, int> operators) => operators.IsEmpty
            ? "none"
            : string.Join(", ", operators.Select(pair => $"{pair.Value} {pair.Key}"));
    }

    /// <summary>For example <c>2 W8A8, 18 W4A4</c>; 32 bits stand for floating point.</summary>
    private string DescribeBits() =>
        string.Join(", ", Layers
            .GroupBy(layer => string.Create(
                CultureInfo.InvariantCulture, $"W{layer.WeightBits ?? 32}A{layer.InputBits ?? 32}"))
            .Select(bits => $"{bits.Count()} {bits.Key}"));
}

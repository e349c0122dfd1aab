using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>How large a network's ONNX file is, and which of its layers ONNX Runtime computes on integers, on this machine.</summary>
public sealed class OnnxReport
{
    private OnnxReport(long fileSize, long fullPrecisionSize, ImmutableArray<LayerReport> layers, OptimizedGraph graph)
    {
        FileSize = fileSize;
        FullPrecisionSize = fullPrecisionSize;
        Layers = layers;
        IntegerOperators = graph.IntegerOperators;
        FloatOperators = graph.FloatOperators;
        Conversions = graph.Conversions;
    }

    /// <summary>The bytes of the file.</summary>
    public long FileSize { get; }

    /// <summary>The bytes of the network's weights and statistics in single precision, which are all but all of a file in full precision.</summary>
    public long FullPrecisionSize { get; }

    /// <summary>The layers with weights, in the order of the graph.</summary>
    public ImmutableArray<LayerReport> Layers { get; }

    /// <summary>How often each operator computes on integers, by its name in ONNX Runtime's optimized graph.</summary>
    public ImmutableSortedDictionary<string, int> IntegerOperators { get; }

    /// <summary>How often each operator computes in floating point.</summary>
    public ImmutableSortedDictionary<string, int> FloatOperators { get; }

    /// <summary>How often integers are made of numbers, and numbers of integers. A network of integers throughout has two: at its input and at its scores.</summary>
    public int Conversions { get; }

    /// <summary>Writes a network to memory, has ONNX Runtime optimize it, and looks at the result.</summary>
    /// <param name="network">The network.</param>
    /// <param name="options">How it is written; null for the defaults.</param>
    /// <returns>The report.</returns>
    /// <exception cref="ArgumentException">The options ask for an external file.</exception>
    /// <exception cref="NotSupportedException">ONNX cannot express the network.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime refuses it.</exception>
    public static OnnxReport Of(Network network, OnnxSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(network);
        using var file = new MemoryStream();
        network.SaveOnnx(file, options);
        var optimized = OptimizedGraph.Of(file.ToArray());
        var flow = new DataFlow(network.Graph);
        var biases = IntegerBias.Find(network.Graph).ToDictionary(bias => bias.Layer);
        var layers = network.Graph.Nodes.Where(flow.IsWeighted).Select(Describe).ToImmutableArray();
        var fullPrecision = network.Graph.Parameters.Where(parameter => parameter.Role != ParameterRole.Constant).Sum(parameter => 4 * TensorShape.ElementCount(parameter.Shape) ?? 0);
        return new OnnxReport(file.Length, fullPrecision, layers, optimized);

        LayerReport Describe(GraphNode layer)
        {
            var weight = flow.Definer(layer.Inputs[1]);
            var input = flow.Definer(GridFlow.Origin(flow, layer.Inputs[0]));
            var (weightBits, inputBits) = ((weight?.Operator as FakeQuantize)?.Range.Bits, (input?.Operator as FakeQuantize)?.Range.Bits);
            var isInteger = optimized.ComputesOnIntegers(weightBits is null ? [layer.Inputs[1]] : [weight!.Inputs[0], layer.Inputs[1]]);
            return new LayerReport(layer.Name, layer.Operator.Type, weightBits, inputBits, isInteger, isInteger ? null : Reason(layer, weightBits, inputBits));
        }

        string Reason(GraphNode layer, int? weightBits, int? inputBits) => (weightBits, inputBits) switch
        {
            (null, _) => "Its weight is not quantized.",
            (_, null) => "Its input is not quantized.",
            _ when !IsOutputQuantized(layer) => "Its output is not quantized.",
            _ when layer.Inputs.Length > 2 && !HasIntegerBias(layer) => "Its bias is not a whole number of the steps in which products are summed.",
            _ => "ONNX Runtime has no integer kernel for it, or none for what comes between it and the next quantizer.",
        };

        bool IsOutputQuantized(GraphNode layer)
        {
            var readers = flow.Readers(layer.Outputs[0]).ToList();
            while (readers is [{ Operator.Type: "Relu" or "Clip" } activation])
                readers = [.. flow.Readers(activation.Outputs[0])];
            return readers.Count > 0 && readers.All(reader => reader.Operator is FakeQuantize);
        }

        bool HasIntegerBias(GraphNode layer)
        {
            using var integers = biases.TryGetValue(layer, out var bias) ? bias.Integers(network.Parameters) : null;
            return integers is not null;
        }
    }

    /// <summary>The report as text: sizes, operators, and the layers that are not integer, with the reason.</summary>
    /// <returns>Some lines.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{FileSize:N0} bytes, {(double)FileSize / FullPrecisionSize:P1} of full precision");
        text.AppendLine(CultureInfo.InvariantCulture, $"{Layers.Count(layer => layer.IsInteger)} of {Layers.Length} layers are integer kernels; {Conversions} conversions");
        text.AppendLine(CultureInfo.InvariantCulture, $"integer: {Describe(IntegerOperators)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"floating point: {Describe(FloatOperators)}");
        foreach (var bits in Layers.GroupBy(layer => (layer.WeightBits, layer.InputBits)))
            text.AppendLine(CultureInfo.InvariantCulture, $"weights {Bits(bits.Key.WeightBits)}, input {Bits(bits.Key.InputBits)}: {bits.Count()} layers");
        foreach (var layer in Layers.Where(layer => !layer.IsInteger))
            text.AppendLine(CultureInfo.InvariantCulture, $"{layer.Name} ({layer.Type}): {layer.Reason}");
        return text.ToString();

        static string Describe(ImmutableSortedDictionary<string, int> operators) => operators.IsEmpty ? "none" : string.Join(", ", operators.Select(pair => $"{pair.Value} {pair.Key}"));

        static string Bits(int? bits) => bits is { } count ? $"{count} bits" : "in floating point";
    }
}

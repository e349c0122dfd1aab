using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.Hdrq.Scoring;

/// <summary>The optimized graph that ONNX Runtime makes of a model on this machine.</summary>
internal sealed class OptimizedGraph
{
    private readonly Dictionary<string, NodeProto> _definers = new(StringComparer.Ordinal);
    private readonly List<NodeProto> _nodes;
    private readonly Dictionary<string, ElementType> _initializers;

    private OptimizedGraph(GraphProto graph)
    {
        _nodes = [.. graph.Node.Where(node => node.OpType != "Constant")];
        _initializers = graph.Initializer.ToDictionary(
            tensor => tensor.Name, tensor => (ElementType)tensor.DataType, StringComparer.Ordinal);
        foreach (var node in _nodes)
        {
            foreach (var output in node.Output)
                _definers.TryAdd(output, node);
        }
        var operators = _nodes.Where(node => !IsConversion(node)).ToLookup(IsInteger);
        IntegerOperators = Count(operators[true]);
        FloatOperators = Count(operators[false]);
        Conversions = _nodes.Count(IsConversion);
    }

    /// <summary>How often each operator computes on integers, or rearranges them.</summary>
    public ImmutableSortedDictionary<string, int> IntegerOperators { get; }

    /// <summary>How often each operator computes in floating point.</summary>
    public ImmutableSortedDictionary<string, int> FloatOperators { get; }

    /// <summary>The number of nodes that convert floats to integers, or integers to floats.</summary>
    public int Conversions { get; }

    /// <summary>Lets ONNX Runtime optimize a model in memory.</summary>
    /// <param name="model">The model.</param>
    /// <param name="graph">The graph that was saved as that.</param>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime rejects the model.</exception>
    public static OptimizedGraph Of(byte[] model, Graph graph) =>
        Of(options => new InferenceSession(model, options), graph);

    /// <summary>Lets ONNX Runtime optimize the model in a file, with its external data.</summary>
    /// <param name="path">The file.</param>
    /// <param name="graph">The graph that was saved as that.</param>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime rejects the model.</exception>
    public static OptimizedGraph Of(string path, Graph graph) =>
        Of(options => new InferenceSession(path, options), graph);

    private static OptimizedGraph Of(Func<SessionOptions, InferenceSession> open, Graph graph)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Combine("optimized.onnx");
        using (var options = new SessionOptions
        {
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            OptimizedModelFilePath = path,
        })
        {
            // Folding computes, and what it divides by, or how large its constants are, may be anything.
            if (IntegerDivisions.HaveUnknownDivisors(graph) || FoldConstants.LeavesConstants(graph))
                options.AddSessionConfigEntry("optimization.disable_specified_optimizers", "ConstantFolding");
            open(options).Dispose();
        }
        using var file = File.OpenRead(path);
        return new OptimizedGraph(ModelProto.Parser.WithDiscardUnknownFields(true).ParseFrom(file).Graph);
    }

    /// <summary>Whether integer kernels read a weight, and nothing else does.</summary>
    /// <param name="names">
    /// The name of the weight and, last, that of its quantizer's output. Values that are computed from the integers in
    /// between have names that begin with the last one.
    /// </param>
    public bool ComputesOnIntegers(IReadOnlyCollection<string> names)
    {
        var readers = _nodes.Where(node => node.Input.Any(input => IsWeight(names, input))).ToList();
        return readers.Count > 0 && readers.All(IsKernel);
    }

    /// <summary>Whether kernels read a weight as signed bytes.</summary>
    /// <param name="names">As of <see cref="ComputesOnIntegers"/>.</param>
    public bool HasSignedBytes(IReadOnlyCollection<string> names) => _nodes
        .SelectMany(node => node.Input)
        .Any(input => IsWeight(names, input) && _initializers.GetValueOrDefault(input) == ElementType.Int8);

    private static bool IsWeight(IReadOnlyCollection<string> names, string input) =>
        names.Contains(input) || input.StartsWith($"{names.Last()}.", StringComparison.Ordinal);

    private static ImmutableSortedDictionary<string, int> Count(IEnumerable<NodeProto> nodes) =>
        nodes
            .GroupBy(node => node.OpType, StringComparer.Ordinal)
            .ToImmutableSortedDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);

    private static bool IsConversion(NodeProto node) => node.OpType is QuantizeLinear.Name or DequantizeLinear.Name;

    private static bool IsKernel(NodeProto node) =>
        node.OpType.StartsWith("QLinear", StringComparison.Ordinal)
            || node.OpType is "QGemm" or "MatMulIntegerToFloat" or "NhwcMaxPool";

    /// <summary>
    /// Whether a node is an integer kernel, or processes integers that an integer kernel or a conversion gives.
    /// </summary>
    private bool IsInteger(NodeProto node)
    {
        for (; ; )
        {
            if (IsKernel(node))
                return true;
            if (node.Input.Count == 0 || !_definers.TryGetValue(node.Input[0], out var definer))
                return false;
            if (IsConversion(definer))
                return definer.OpType == QuantizeLinear.Name;
            node = definer;
        }
    }
}

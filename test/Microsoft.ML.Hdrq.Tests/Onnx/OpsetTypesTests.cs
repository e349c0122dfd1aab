using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// What is written is valid: ONNX Runtime takes every operator on every element type in every opset, or the writer
/// refuses it.
/// </summary>
[TestClass]
public class OpsetTypesTests
{
    private static readonly ElementType[] ElementTypes = Enum.GetValues<ElementType>();

    private static IEnumerable<object[]> Operators =>
        OperatorTable.Definitions.Keys.Order(StringComparer.Ordinal).Select(type => new object[] { type });

    [TestMethod]
    [DynamicData(nameof(Operators))]
    public void WhatIsWrittenIsValid(string type)
    {
        var wrong = new List<string>();
        var isEverWritten = false;
        foreach (var parityCase in Cases(type))
        {
            var given = parityCase.Inputs.OfType<ParityInput>().Select(input => input.Data.ElementType).Distinct();
            foreach (var (of, to) in from of in given from to in ElementTypes select (of, to))
            {
                using var network = Build(parityCase, of, to);
                for (var opset = OpsetForms.Oldest; opset <= OpsetForms.Newest; opset++)
                {
                    if (opset < parityCase.OldestOpset || Written(network, opset) is not { } model)
                        continue;
                    isEverWritten = true;
                    if (Error(model) is { } error)
                        wrong.Add($"{parityCase}, {of} as {to}, opset {opset}: {error}");
                }
            }
        }
        Assert.IsTrue(isEverWritten, $"{type} is never written.");
        Assert.IsEmpty(wrong, string.Join("\n", wrong.Take(20)));
    }

    [TestMethod]
    [DataRow("Add", ElementType.Int8, 13, 14)]
    [DataRow("Sub", ElementType.UInt8, 13, 14)]
    [DataRow("Mul", ElementType.Int16, 13, 14)]
    [DataRow("Div", ElementType.Int8, 13, 14)]
    [DataRow("Max", ElementType.Int16, 11, 12)]
    [DataRow("Min", ElementType.UInt8, 11, 12)]
    public void TheOpsetThatDefinesATypeIsTheOldestThatIsWritten(
        string type, ElementType elementType, int refused, int written)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", elementType, -1);
        builder.Node(type, "y", ["x", "x"]);
        using var network = builder.Build(new GraphValue("y", elementType, [-1]));
        var message = Assert.ThrowsExactly<NotSupportedException>(() => Save(network, refused)).Message;
        StringAssert.Contains(message, $"'y' ({type})");
        StringAssert.Contains(message, $"Opset {refused} ");
        Assert.IsNull(Error(Save(network, written)));
        Assert.IsNull(Error(Save(network)), "The default opset is too old.");
    }

    [TestMethod]
    public void ATypeThatNoOpsetDefinesIsRefused()
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", ElementType.Int32, -1);
        builder.Node("Sigmoid", "y", ["x"]);
        using var network = builder.Build(new GraphValue("y", ElementType.Int32, [-1]));
        foreach (int? opset in (int?[])[null, 9, 21])
        {
            var message = Assert.ThrowsExactly<NotSupportedException>(() => Save(network, opset)).Message;
            StringAssert.Contains(message, "'y' (Sigmoid)");
            StringAssert.Contains(message, $"Opset {opset ?? 13} ");
            StringAssert.Contains(message, "Int32");
        }
    }

    /// <summary>A case of every pattern of inputs; of attributes that say a type every type.</summary>
    private static IEnumerable<ParityCase> Cases(string type)
    {
        var cases = CompletenessTests.AllCases().Where(parityCase => parityCase.Type == type)
            .DistinctBy(parityCase => string.Join(
                ' ', parityCase.Inputs.Select(input => $"{input?.IsConstant} {input?.Data.ElementType}"))
                + parityCase.Outputs).ToList();
        return type switch
        {
            "Cast" => ElementTypes.Select(to => cases[0] with { Attributes = [("to", (long)to)] }),
            "ConstantOfShape" => ElementTypes.Select(
                to => cases[0] with { Attributes = [("value", new TensorData(to, [1], new byte[to.SizeInMemory()]))] }),
            _ => cases,
        };
    }

    private static byte[]? Written(Network network, int opset)
    {
        try
        {
            return Save(network, opset);
        }
        catch (NotSupportedException exception)
        {
            StringAssert.Contains(exception.Message, $"Opset {opset} ");
            StringAssert.Contains(exception.Message, "'node'");
            return null;
        }
    }

    /// <summary>
    /// What ONNX Runtime says against a model. That it has no kernel for it is nothing, nor that its bindings cannot
    /// tell that inputs or outputs have 4 bits, once the session is made.
    /// </summary>
    private static string? Error(byte[] model)
    {
        try
        {
            using var options = new SessionOptions
            {
                GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
                IntraOpNumThreads = 1,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            };
            using var session = new InferenceSession(model, options);
            return null;
        }
        catch (OnnxRuntimeException exception)
        {
            string[] harmless = ["[ErrorCode:NotImplemented]", "Unregistered TensorElementType"];
            return harmless.Any(part => exception.Message.Contains(part, StringComparison.Ordinal)) ? null
                : exception.Message;
        }
    }

    private static Network Build(ParityCase parityCase, ElementType of, ElementType to)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var names = new string[parityCase.Inputs.Length];
        for (var i = 0; i < names.Length; i++)
        {
            if (parityCase.Inputs[i] is not { } input)
            {
                names[i] = "";
                continue;
            }
            var data = input.Data.ElementType == of ? As(input.Data, to) : input.Data;
            names[i] = input.IsConstant
                ? builder.Parameter($"c{i}", data.ToTorch(), ParameterRole.Constant, data.ElementType)
                : builder.Input($"x{i}", data.ElementType, [.. data.Shape.ToArray().Select(_ => TensorShape.Dynamic)]);
        }
        if (names.All(name => name.Length == 0 || name[0] == 'c'))
            builder.Input("x", -1);
        var operation = Operator.Create(parityCase.Type, new OperatorAttributes(parityCase.Attributes));
        var node = new GraphNode("node", operation, [.. names],
            [.. Enumerable.Range(0, parityCase.Outputs).Select(i => $"y{i}")]);
        builder.Node(node);
        // ONNX Runtime compares the outputs' types with its own inference; shapes are left to it.
        using var probe = builder.Build([.. node.Outputs.Select(output => new GraphValue(output, ElementType.Float32, []))]);
        var types = new ValueTypes(probe.Graph);
        var outputs = node.Outputs.Select(output => new GraphValue(output, types.Of(output)!.Value, []));
        var graph = new Graph(probe.Graph.Inputs, probe.Graph.Parameters, probe.Graph.Nodes, [.. outputs]);
        return new Network(graph, probe.Parameters.ToDictionary(
            parameter => parameter.Key, parameter => parameter.Value.clone()));
    }

    private static TensorData As(TensorData data, ElementType type)
    {
        var tensor = data.ToTorch();
        if (type is ElementType.Int4 or ElementType.UInt4)
            tensor = tensor.to(torch.ScalarType.Float32).clamp(0, 7);
        return TensorData.FromTorch(tensor.to(type.ToTorch()), type);
    }
}

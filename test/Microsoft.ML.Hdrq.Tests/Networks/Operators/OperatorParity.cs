using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>Computes a case here and, through the ONNX file that this library writes of it, in ONNX Runtime.</summary>
internal static class OperatorParity
{
    public static IEnumerable<TestDataRow<ParityCase>> Rows(IEnumerable<ParityCase> cases) =>
        cases.Select(parityCase => new TestDataRow<ParityCase>(parityCase) { DisplayName = parityCase.ToString() });

    public static void Check(ParityCase parityCase)
    {
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        CheckValues(parityCase);
        Assert.AreEqual(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount, "Tensors are left over.");
    }

    private static void CheckValues(ParityCase parityCase)
    {
        using var scope = torch.NewDisposeScope();
        using var network = Build(parityCase);
        var fed = network.Graph.Inputs.Select(
            input => (input.Name, parityCase.Inputs[int.Parse(input.Name[1..], null)]!.Data)).ToArray();
        var actual = network.Run([.. fed.Select(input => input.Data.ToTorch())], ForwardMode.Inference);

        // The opset that users get unless they ask for another, the newest, whose form the graph has, and the oldest
        // that can say it.
        var types = new ValueTypes(network.Graph);
        var oldest = network.Graph.Nodes.Max(
            node => OpsetForms.MinimumOpset(
                node, name => network.Graph.Parameters.FirstOrDefault(parameter => parameter.Name == name), types.Of));
        Graph? first = null;
        foreach (int? opset in (int?[])[null, OpsetForms.Newest, Math.Max(oldest, parityCase.OldestOpset)])
        {
            using var model = new MemoryStream();
            network.SaveOnnx(model, new OnnxSaveOptions { Opset = opset });
            var expected = OnnxRuntimeReference.Run(model.ToArray(), fed);
            Assert.HasCount(parityCase.Outputs, expected);
            model.Position = 0;
            using var readBack = Network.LoadOnnx(model);
            first ??= readBack.Graph;
            Assert.IsNull(first.FirstDifference(readBack.Graph), $"The graph depends on the opset of the file, {opset}.");
            var actualReadBack = readBack.Run([.. fed.Select(input => input.Data.ToTorch())], ForwardMode.Inference);
            for (var i = 0; i < expected.Length; i++)
            {
                var what = $"output {i}, opset {opset?.ToString() ?? "default"}";
                Compare(expected[i], TensorData.FromTorch(actual[i]), parityCase.Tolerance, what);
                Compare(expected[i], TensorData.FromTorch(actualReadBack[i]), parityCase.Tolerance, $"{what}, read back");
            }
        }
        if (parityCase.Differentiable && actual[0].is_floating_point() && fed[0].Data.ElementType.IsFloat())
            CheckGradient(network, fed, actual[0]);
    }

    /// <summary>A network of the operator alone.</summary>
    internal static Network Build(ParityCase parityCase)
    {
        using var builder = new NetworkBuilder();
        var names = new string[parityCase.Inputs.Length];
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = parityCase.Inputs[i] switch
            {
                null => "",
                { IsConstant: true, Data: var data } =>
                    builder.Parameter($"c{i}", data.ToTorch(), ParameterRole.Constant, data.ElementType),
                { Data: var data } => builder.Input(
                    $"x{i}", data.ElementType, [.. data.Shape.ToArray().Select(_ => TensorShape.Dynamic)]),
            };
        }
        var node = new GraphNode("node",
            Operator.Create(parityCase.Type, new OperatorAttributes(parityCase.Attributes)), [.. names],
            [.. Enumerable.Range(0, parityCase.Outputs).Select(i => $"y{i}")]);
        builder.Node(node);
        // A probe finds out types and ranks; ONNX Runtime refuses the model where they are wrong.
        torch.Tensor?[] inputs = [.. parityCase.Inputs.Select(input => input?.Data.ToTorch())];
        var outputs = Network.Compute(node, inputs, new ComputeContext(ForwardMode.Inference, torch.CPU));
        foreach (var output in outputs)
            Assert.IsFalse(inputs.Any(input => input is not null
                && (ReferenceEquals(input, output) || input.Handle == output.Handle)),
                "An output is the handle of an input.");
        return builder.Build([.. node.Outputs.Zip(outputs, (name, output) =>
        {
            var type = ElementTypes.FromTorch(output.dtype);
            // ONNX Runtime's bindings cannot hand over 4-bit elements.
            if (parityCase.GivesFourBits)
                name = builder.Node("Cast", $"{name}.wide", [name], ("to", (long)type));
            return new GraphValue(name, type, [.. output.shape.Select(_ => TensorShape.Dynamic)]);
        })]);
    }

    private static void CheckGradient(Network network, (string Name, TensorData Data)[] fed, torch.Tensor expected)
    {
        var inputs = fed.Select(input => input.Data.ToTorch()).ToArray();
        foreach (var input in inputs.Where(input => input.is_floating_point()))
            input.requires_grad_(true);
        var output = network.Run(inputs, ForwardMode.Gradient)[0];
        Compare(TensorData.FromTorch(expected), TensorData.FromTorch(output), 0, "with gradients");
        Assert.IsTrue(output.requires_grad, "The graph of gradients is broken.");
        output.sum().backward();
        Assert.IsTrue(inputs[0].grad?.isfinite().all().item<bool>(),
            "The gradient of the first input is missing or not finite.");
    }

    private static void Compare(TensorData expected, TensorData actual, double tolerance, string what)
    {
        Assert.AreEqual(expected.ToString(), actual.ToString(), what);
        var (x, y) = (Numbers(expected), Numbers(actual));
        for (var i = 0; i < x.Length; i++)
        {
            var isEqual = x[i].Equals(y[i]) || Math.Abs(x[i] - y[i]) <= (expected.ElementType.IsFloat() ? tolerance : 0);
            Assert.IsTrue(isEqual, $"{what}: element {i} of {x.Length} is {y[i]} instead of {x[i]}.");
        }
    }

    private static double[] Numbers(TensorData data)
    {
        using var scope = torch.NewDisposeScope();
        return data.ToTorch().to(torch.ScalarType.Float64).reshape(-1).data<double>().ToArray();
    }
}

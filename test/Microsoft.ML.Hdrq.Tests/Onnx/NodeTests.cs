using System.Globalization;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// The specification's own tests of operators, each a model with inputs and outputs: right or refused, never wrong. They
/// are not part of the repository: <c>HDRQ_ONNX_NODE_TESTS</c> names their folder, <c>onnx/backend/test/data/node</c> of
/// the specification.
/// </summary>
[TestClass]
public sealed class NodeTests
{
    /// <summary>What a test of the specification allows, relative to the larger of 1 and the expected number.</summary>
    private const double Tolerance = 1e-3;

    /// <summary>In full precision, and half precision of 10 bits.</summary>
    private const double HalfTolerance = 5e-3;

    /// <summary>
    /// Where this library computes something else on purpose: as ONNX Runtime does, whose sizes of images are whole, and
    /// as in use and not in training, where dropout draws at random.
    /// </summary>
    private static readonly string[] _others =
    [
        "test_resize_downsample_scales_cubic_align_corners", "test_resize_downsample_scales_linear_align_corners",
        "test_training_dropout", "test_training_dropout_default", "test_training_dropout_default_mask",
        "test_training_dropout_mask",
    ];

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void They_are_right_or_refused()
    {
        if (Environment.GetEnvironmentVariable("HDRQ_ONNX_NODE_TESTS") is not { Length: > 0 } folder)
        {
            Assert.Inconclusive("HDRQ_ONNX_NODE_TESTS names no folder of the specification's tests.");
            return;
        }
        var (right, refused, wrong) = (new List<string>(), new List<(string Name, string Why)>(), new List<string>());
        foreach (var directory in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
        {
            var path = Path.Combine(directory, "model.onnx");
            if (!File.Exists(path))
                continue;
            var model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(path));
            if (model.Graph.Node.Any(node => !OperatorTable.Definitions.ContainsKey(node.OpType)))
                continue;
            var name = Path.GetFileName(directory);
            if (_others.Contains(name))
                continue;
            try
            {
                if (Difference(model, Path.Combine(directory, "test_data_set_0")) is { } difference)
                    wrong.Add($"{name}: {difference}");
                else
                    right.Add(name);
            }
            catch (Exception exception) when (
                exception is InvalidDataException or NotSupportedException or InvalidOperationException)
            {
                refused.Add((name, $"{exception.GetType().Name}: {exception.Message}"));
            }
            catch (Exception exception)
            {
                wrong.Add($"{name}: {exception}");
            }
        }
        TestContext.WriteLine($"{right.Count} right, {refused.Count} refused, {wrong.Count} wrong");
        foreach (var (name, why) in refused)
            TestContext.WriteLine($"refused {name}: {why}");
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        Assert.IsNotEmpty(right);
    }

    /// <summary>
    /// How the outputs differ; null where they do not. Inputs that a network has as constants, such as shapes and axes,
    /// are made constant where they are refused otherwise.
    /// </summary>
    private static string? Difference(ModelProto model, string data)
    {
        var inputs = Tensors(data, "input");
        Network network;
        try
        {
            network = OnnxReader.Read(model.ToByteArray(), null, Network.DefaultMaxValueSize);
        }
        catch (Exception exception) when (inputs.Count > 1 && exception is InvalidDataException or NotSupportedException)
        {
            var constant = model.Clone();
            foreach (var input in inputs.Skip(1))
                constant.Graph.Initializer.Add(input);
            network = OnnxReader.Read(constant.ToByteArray(), null, Network.DefaultMaxValueSize);
        }
        using (network)
        {
            using var scope = torch.NewDisposeScope();
            // What is given in half precision is computed in single.
            var values = network.Graph.Inputs.Select(input =>
                OnnxTensors.Read(inputs.Single(given => given.Name == input.Name), null).ToTorch()
                    .to(input.ElementType.ToTorch())).ToList();
            var outputs = network.Run(values, ForwardMode.Inference);
            foreach (var (i, expected) in Tensors(data, "output").Index().Where(item => item.Index < outputs.Length))
            {
                if (Difference(OnnxTensors.Read(expected, null), outputs[i]) is { } difference)
                    return $"output {i}: {difference}";
            }
            return null;
        }
    }

    private static string? Difference(TensorData expected, torch.Tensor output)
    {
        var wanted = expected.ToTorch();
        if (!wanted.shape.SequenceEqual(output.shape))
            return $"shape {TensorShape.Describe(output.shape)} instead of {TensorShape.Describe(wanted.shape)}";
        if (wanted.numel() == 0)
            return null;
        var (left, right) = (wanted.to(torch.float64), output.to(torch.float64));
        var differs = left.sub(right).abs().div(left.abs().clamp(min: 1)).nan_to_num(0, 0, 0)
            .masked_fill(left.isnan().ne(right.isnan()), 1e9)
            .masked_fill(left.isinf().logical_or(right.isinf()).logical_and(left.ne(right)), 1e9).max().item<double>();
        return differs <= (expected.ElementType == ElementType.Float16 ? HalfTolerance : Tolerance)
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"differs by {differs:G3}");
    }

    private static List<TensorProto> Tensors(string data, string kind) =>
    [
        .. Directory.GetFiles(data, $"{kind}_*.pb").OrderBy(path => path.Length).ThenBy(path => path, StringComparer.Ordinal)
            .Select(path => TensorProto.Parser.ParseFrom(File.ReadAllBytes(path))),
    ];
}

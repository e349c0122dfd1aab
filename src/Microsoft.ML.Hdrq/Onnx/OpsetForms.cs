using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// How operators changed between opsets 9 and 21 (https://github.com/onnx/onnx/blob/main/docs/Changelog.md). Graphs hold the form of opset 21;
/// reading upgrades to it and writing goes back, by the same table where an attribute became an input.
/// </summary>
internal static class OpsetForms
{
    public const int Oldest = 9;
    public const int Newest = 21;

    private static readonly string[] ReductionsOfOpset18 = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"];

    private static readonly InputRule[] InputRules =
    [
        new("Squeeze", 13, "axes", 1),
        new("Unsqueeze", 13, "axes", 1),
        new("Split", 13, "split", 1),
        new("ReduceSum", 13, "axes", 1),
        .. from type in ReductionsOfOpset18 select new InputRule(type, 18, "axes", 1),
        new("Slice", 10, "starts", 1),
        new("Slice", 10, "ends", 2),
        new("Slice", 10, "axes", 3),
        new("Pad", 11, "pads", 1),
        new("Pad", 11, "value", 2),
        new("Clip", 11, "min", 1),
        new("Clip", 11, "max", 2),
        new("Dropout", 12, "ratio", 1),
    ];

    /// <summary>Attributes that later opsets added to operators which were there before.</summary>
    private static readonly (string Type, string Attribute, int Since)[] AttributesSince =
    [
        ("ArgMax", "select_last_index", 12),
        ("ArgMin", "select_last_index", 12),
        ("QuantizeLinear", "axis", 13),
        ("DequantizeLinear", "axis", 13),
        ("Reshape", "allowzero", 14),
        ("Split", "num_outputs", 18),
        ("Shape", "start", 15),
        ("Shape", "end", 15),
        ("Resize", "axes", 18),
        .. from type in ReductionsOfOpset18 select (type, "noop_with_empty_axes", 18),
        ("AveragePool", "dilations", 19),
        ("QuantizeLinear", "block_size", 21),
        ("QuantizeLinear", "output_dtype", 21),
        ("DequantizeLinear", "block_size", 21),
    ];

    /// <summary>An attribute that became an input of the node in opset <paramref name="Since"/>.</summary>
    private sealed record InputRule(string Type, int Since, string Attribute, int Input);

    /// <summary>Brings a node of an older opset into the form of opset 21.</summary>
    /// <param name="node">The node; changed in place.</param>
    /// <param name="opset">The opset that it was written for.</param>
    /// <param name="addConstant">Adds a constant to the graph and gives its name.</param>
    /// <returns>The nodes to put in its place, in order.</returns>
    /// <exception cref="InvalidDataException">The node has attributes of the wrong type.</exception>
    /// <exception cref="NotSupportedException">The older form means something that the newer one cannot say.</exception>
    public static IEnumerable<OnnxNode> Upgrade(OnnxNode node, int opset, Func<string, TensorData, string> addConstant)
    {
        foreach (var rule in InputRules)
        {
            if (rule.Type != node.Type || opset >= rule.Since || !node.Attributes.Contains(rule.Attribute))
                continue;
            var constant = IsNumber(rule)
                ? TensorData.Of([node.Attributes.Float(rule.Attribute, 0)])
                : TensorData.Of(node.Attributes.Integers(rule.Attribute).AsSpan(), node.Attributes.Integers(rule.Attribute).Length);
            node.SetInput(rule.Input, addConstant($"{node.Outputs[0]}.{rule.Attribute}", constant));
            node.Attributes = node.Attributes.Without(rule.Attribute);
        }
        switch (node.Type)
        {
            case "Upsample":
            case "Resize" when opset < 11:
                node.Type = "Resize";
                node.SetInput(2, node.Input(1));
                node.SetInput(1, "");
                node.Attributes = node.Attributes.With("coordinate_transformation_mode", "asymmetric").With("nearest_mode", "floor");
                break;
            case "Split" when opset < 18 && node.Input(1).Length == 0:
                node.Attributes = node.Attributes.With("num_outputs", (long)node.Outputs.Count);
                break;
            case "Softmax" or "LogSoftmax" when opset < 13:
                return UpgradeSoftmax(node);
            case "GroupNormalization" when opset < 21:
                throw new NotSupportedException($"Node {node} is GroupNormalization in the form of opset 18, with a scale per group; only that of opset 21, with a scale per channel, is supported.");
            case "BatchNormalization" or "Dropout":
                // The further outputs are for training, or masks that nothing reads in a network for inference.
                while (node.Outputs.Count > (node.Type == "Dropout" ? 2 : 1) && node.Outputs.Count > 1)
                    node.Outputs.RemoveAt(node.Outputs.Count - 1);
                break;
        }
        return [node];
    }

    /// <summary>The oldest opset that can say what a node says.</summary>
    public static int MinimumOpset(GraphNode node, Func<string, ParameterDefinition?> parameter)
    {
        var opset = node.Operator.Definition.SinceOpset;
        foreach (var rule in InputRules)
        {
            var input = rule.Type == node.Operator.Type && rule.Input < node.Inputs.Length ? node.Inputs[rule.Input] : "";
            if (input.Length > 0 && parameter(input) is not { Role: ParameterRole.Constant })
                opset = Math.Max(opset, rule.Since);
        }
        foreach (var (type, attribute, since) in AttributesSince)
        {
            if (type == node.Operator.Type && node.Operator.Attributes.Contains(attribute))
                opset = Math.Max(opset, since);
        }
        foreach (var input in node.Inputs)
        {
            if (parameter(input)?.ElementType is ElementType.Int4 or ElementType.UInt4)
                opset = Math.Max(opset, 21);
        }
        return node.Operator.Type switch
        {
            "Softmax" or "LogSoftmax" => Math.Max(opset, 13),
            "Resize" when node.Operator.Attributes.Text("coordinate_transformation_mode", "") == "half_pixel_symmetric" => Math.Max(opset, 19),
            "Resize" => Math.Max(opset, 11),
            "Pad" when node.Operator.Attributes.Text("mode", "") == "wrap" => Math.Max(opset, 19),
            "Pad" when node.Inputs.Length > 3 && node.Inputs[3].Length > 0 => Math.Max(opset, 18),
            "Cast" when (ElementType)node.Operator.Attributes.Integer("to", 0) is ElementType.Int4 or ElementType.UInt4 => 21,
            "Slice" when node.Inputs.Length > 4 => Math.Max(opset, 10),
            "QuantizeLinear" or "DequantizeLinear" when node.Inputs.Length > 2 && parameter(node.Inputs[2])?.ElementType is ElementType.Int16 => Math.Max(opset, 21),
            _ => opset,
        };
    }

    /// <summary>Brings a node from the form of opset 21 into that of an older opset, at least the one of <see cref="MinimumOpset"/>.</summary>
    /// <param name="node">The node; changed in place.</param>
    /// <param name="opset">The opset to write.</param>
    /// <param name="constant">The value of a constant.</param>
    public static void Downgrade(OnnxNode node, int opset, Func<string, TensorData> constant)
    {
        // From the last input to the first, so that those cut off are always at the end.
        foreach (var rule in InputRules.Reverse())
        {
            if (rule.Type != node.Type || opset >= rule.Since || node.Input(rule.Input).Length == 0)
                continue;
            var data = constant(node.Input(rule.Input));
            var values = Numbers(data);
            node.Attributes = node.Attributes.With(rule.Attribute, IsNumber(rule) ? (float)values[0] : values.Select(value => (long)value).ToImmutableArray());
            node.SetInput(rule.Input, "");
        }
        while (node.Inputs.Count > 0 && node.Inputs[^1].Length == 0)
            node.Inputs.RemoveAt(node.Inputs.Count - 1);
        if (node.Type == "Split" && opset < 18)
            node.Attributes = node.Attributes.Without("num_outputs");
    }

    private static bool IsNumber(InputRule rule) => rule.Attribute is "value" or "min" or "max" or "ratio";

    private static double[] Numbers(TensorData data)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        return data.ToTorch().to(TorchSharp.torch.ScalarType.Float64).data<double>().ToArray();
    }

    /// <summary>Until opset 12 the input was first flattened into a matrix before the axis (1 by default), and the softmax ran over its rows.</summary>
    private static IEnumerable<OnnxNode> UpgradeSoftmax(OnnxNode node)
    {
        var axis = node.Attributes.Integer("axis", 1);
        node.Attributes = node.Attributes.With("axis", -1L);
        if (axis == -1)
            return [node];
        var (input, output) = (node.Inputs[0], node.Outputs[0]);
        node.Inputs[0] = $"{output}.flat";
        node.Outputs[0] = $"{output}.rows";
        return
        [
            new OnnxNode($"{node.Name}.shape", "Shape", OperatorAttributes.None, [input], [$"{output}.shape"]),
            new OnnxNode($"{node.Name}.flat", "Flatten", new OperatorAttributes(("axis", axis)), [input], [$"{output}.flat"]),
            node,
            new OnnxNode($"{node.Name}.unflat", "Reshape", OperatorAttributes.None, [$"{output}.rows", $"{output}.shape"], [output]),
        ];
    }
}

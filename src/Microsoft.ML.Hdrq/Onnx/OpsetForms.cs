using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// The changes of operators between opsets 7 and 24 (https://github.com/onnx/onnx/blob/main/docs/Changelog.md). Graphs
/// hold the form of opset 21, which the later ones only extend; the reader upgrades to it and the writer downgrades
/// from it. Both use the same table for attributes that became inputs.
/// </summary>
internal static class OpsetForms
{
    /// <summary>The oldest opset that is read.</summary>
    public const int OldestRead = 7;

    /// <summary>The oldest opset that is written.</summary>
    public const int Oldest = 9;

    /// <summary>The newest opset.</summary>
    public const int Newest = 24;

    private static readonly string[] ReductionTypes =
    [
        "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
        "ReduceLogSum", "ReduceLogSumExp",
    ];

    private static readonly InputRule[] InputRules =
    [
        new("Squeeze", 13, "axes", 1),
        new("Unsqueeze", 13, "axes", 1),
        new("Split", 13, "split", 1),
        new("ReduceSum", 13, "axes", 1),
        .. from type in ReductionTypes select new InputRule(type, 18, "axes", 1),
        new("Slice", 10, "starts", 1),
        new("Slice", 10, "ends", 2),
        new("Slice", 10, "axes", 3),
        new("Pad", 11, "pads", 1),
        new("Pad", 11, "value", 2),
        new("Clip", 11, "min", 1),
        new("Clip", 11, "max", 2),
        new("Dropout", 12, "ratio", 1),
        new("TopK", 10, "k", 1),
        new("Upsample", 9, "scales", 1),
    ];

    /// <summary>Operators whose attribute <c>axis</c> may be negative only since opset 11.</summary>
    private static readonly FrozenSet<string> AxisFromFront = new[]
    {
        "ArgMax", "ArgMin", "Concat", "Flatten", "Gather", "Split",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>An attribute that became an input of the node in opset <paramref name="Since"/>.</summary>
    private sealed record InputRule(string Type, int Since, string Attribute, int Input);

    /// <summary>Converts a node of any opset to the form of opset 21.</summary>
    /// <param name="node">The node; changed in place.</param>
    /// <param name="opset">The opset that it was written for.</param>
    /// <param name="tensors">The file's tensors, to which new constants are added.</param>
    /// <returns>The nodes that replace it, in order.</returns>
    /// <exception cref="InvalidDataException">
    /// The node has attributes of the wrong type, or attributes of another opset than its own.
    /// </exception>
    /// <exception cref="NotSupportedException">The form of opset 21 cannot express the older form.</exception>
    public static IEnumerable<OnnxNode> Upgrade(OnnxNode node, int opset, OnnxTensorPool tensors)
    {
        foreach (var rule in InputRules)
        {
            if (rule.Type != node.Type || !node.Attributes.Contains(rule.Attribute))
                continue;
            if (opset >= rule.Since)
            {
                throw new InvalidDataException(
                    $"Attribute '{rule.Attribute}' became an input in opset {rule.Since}; "
                    + $"the model is of opset {opset}.");
            }
            node.SetInput(
                rule.Input,
                tensors.Add($"{node.Outputs[0]}.{rule.Attribute}", Constant(rule, node.Attributes)));
            node.Attributes = node.Attributes.Without(rule.Attribute);
        }
        switch (node.Type)
        {
            case "Upsample":
            case "Resize" when opset < 11:
                UpgradeResize(node, tensors);
                break;
            case "Split" when opset < 18 && node.Input(1).Length == 0:
                node.Attributes = node.Attributes.With("num_outputs", (long)node.Outputs.Count);
                break;
            case "Softmax" or "LogSoftmax" when opset < 13:
                return UpgradeSoftmax(node, tensors);
            case "GroupNormalization" when opset < 21:
                return UpgradeGroupNormalization(node, tensors);
            case "QuantizeLinear" when node.Attributes.Integer("precision", 0) == (long)ElementType.Float32:
                node.Attributes = node.Attributes.Without("precision");
                break;
            case "DequantizeLinear" when node.Attributes.Integer("output_dtype", 0) == (long)ElementType.Float32:
                node.Attributes = node.Attributes.Without("output_dtype");
                break;
            case "GridSample" when opset < 20 && node.Attributes.Text("mode", "") is "bilinear" or "bicubic":
                node.Attributes = node.Attributes.With("mode", node.Attributes.Text("mode", "")["bi".Length..]);
                break;
            case "Scatter":
                node.Type = "ScatterElements";
                break;
            case "BatchNormalization" when opset < 9 && node.Attributes.Integer("spatial", 1) == 0:
                return UpgradeNormalizationOfElements(node, tensors);
            case "BatchNormalization" or "Dropout":
                node.Attributes = node.Attributes.Without("spatial");
                // The other outputs are for training, or are masks that nothing reads during inference.
                while (node.Outputs.Count > (node.Type == "Dropout" ? 2 : 1) && node.Outputs.Count > 1)
                    node.Outputs.RemoveAt(node.Outputs.Count - 1);
                break;
        }
        return [node];
    }

    /// <summary>
    /// The oldest opset that can express a node. Whether an opset defines the node on the types of its inputs is not
    /// considered here: see <see cref="OpsetTypes"/>.
    /// </summary>
    /// <param name="node">The node.</param>
    /// <param name="parameter">Returns a parameter of the graph by name; null for other values.</param>
    /// <param name="elementType">Returns the type of a value.</param>
    public static int MinimumOpset(
        GraphNode node,
        Func<string, ParameterDefinition?> parameter,
        Func<string, ElementType?> elementType)
    {
        var (type, attributes) = (node.Operator.Type, node.Operator.Attributes);
        var opset = Math.Max(ActivationForms.MinimumOpset(node.Operator), OpsetTypes.Oldest(node, elementType) ?? 1);
        foreach (var rule in InputRules)
        {
            if (rule.Type == type
                && Input(node, rule.Input) is { Length: > 0 } input
                && !CanBeAttribute(rule, parameter(input)))
            {
                opset = Math.Max(opset, rule.Since);
            }
        }
        // Attributes with their default values are absent.
        foreach (var (attribute, since) in node.Operator.Definition.LaterAttributes)
        {
            if (attributes.Contains(attribute))
                opset = Math.Max(opset, since);
        }
        if (AxisFromFront.Contains(type) && attributes.TryGet("axis", out var axis) && axis is < 0L)
            opset = Math.Max(opset, 11);
        return Math.Max(opset, type switch
        {
            "Gemm" when Input(node, 2).Length == 0 => 11,
            // Older masks have another type, or are undefined where nothing is dropped.
            "Dropout" when Input(node, 2).Length > 0 || node.Outputs.Length > 1 => 12,
            "Slice" when Input(node, 4).Length > 0 => 10,
            "Pad" => attributes.Text("mode", "") == "wrap" ? 19 : Input(node, 3).Length > 0 ? 18 : 1,
            "Cast" when (ElementType)attributes.Integer("to", 0) is ElementType.Int4 or ElementType.UInt4 => 21,
            "ConstantOfShape"
                when attributes.Tensor("value")?.ElementType is ElementType.Int4 or ElementType.UInt4 => 21,
            // Before opset 13 the softmax ran over all axes from the given one on; for the last axis both forms agree.
            "Softmax" or "LogSoftmax" => attributes.Integer("axis", -1) == -1 ? 11 : 13,
            // Until opset 12 the regions and the scales had to be given, at least as empty tensors.
            "Resize" when attributes.Text("coordinate_transformation_mode", "") == "half_pixel_symmetric" => 19,
            "Resize" => Input(node, 1).Length == 0 || Input(node, 2).Length == 0 ? 13 : 11,
            // It is unknown before runtime whether computed scales are one or many.
            "QuantizeLinear" or "DequantizeLinear"
                when parameter(Input(node, 1)) is not { } scale || TensorShape.ElementCount(scale.Shape) != 1 => 13,
            _ => 1,
        });
    }

    /// <summary>
    /// The oldest opset that expresses a node for all data, and well. Until opset 17 Split only divides evenly, and
    /// whether this one does is unknown before runtime. Callers that ask for an older opset guarantee an even split.
    /// </summary>
    public static int SafeOpset(
        GraphNode node,
        Func<string, ParameterDefinition?> parameter,
        Func<string, ElementType?> elementType)
    {
        var isUneven = node.Operator.Type == "Split" && node.Operator.Attributes.Contains("num_outputs");
        var opset = Math.Max(MinimumOpset(node, parameter, elementType), ActivationForms.FastOpset(node.Operator));
        return Math.Max(opset, isUneven ? 18 : Oldest);
    }

    /// <summary>
    /// Converts a node from the form of opset 21 to the form of an older opset, which is at least
    /// <see cref="MinimumOpset"/>.
    /// </summary>
    /// <param name="node">The node; changed in place.</param>
    /// <param name="opset">The opset to write.</param>
    /// <param name="constant">Returns the value of a constant by name.</param>
    public static void Downgrade(OnnxNode node, int opset, Func<string, TensorData> constant)
    {
        foreach (var rule in InputRules)
        {
            if (rule.Type != node.Type || opset >= rule.Since || node.Input(rule.Input).Length == 0)
                continue;
            var data = constant(node.Input(rule.Input));
            object value = IsNumber(rule) ? MemoryMarshal.Read<float>(data.Bytes) : Integers(data);
            node.Attributes = node.Attributes.With(rule.Attribute, value);
            node.SetInput(rule.Input, "");
        }
        while (node.Inputs.Count > 0 && node.Inputs[^1].Length == 0)
            node.Inputs.RemoveAt(node.Inputs.Count - 1);
        var later = OperatorTable.Definitions.GetValueOrDefault(node.Type)?.LaterAttributes ?? [];
        foreach (var (attribute, since) in later)
        {
            if (opset < since)
                node.Attributes = node.Attributes.Without(attribute);
        }
        switch (node.Type)
        {
            case "Split" when opset < 18:
                node.Attributes = node.Attributes.Without("num_outputs");
                break;
            case "Softmax" or "LogSoftmax" when opset < 13:
                node.Attributes = node.Attributes.With("axis", -1L);
                break;
        }
    }

    private static string Input(GraphNode node, int index) => index < node.Inputs.Length ? node.Inputs[index] : "";

    private static bool IsNumber(InputRule rule) => rule.Attribute is "value" or "min" or "max" or "ratio";

    private static bool CanBeAttribute(InputRule rule, ParameterDefinition? definition) =>
        definition is { Role: ParameterRole.Constant }
        && (IsNumber(rule)
            ? definition.ElementType == ElementType.Float32 && TensorShape.ElementCount(definition.Shape) == 1
            : definition.ElementType is ElementType.Int64 or ElementType.Int32);

    private static TensorData Constant(InputRule rule, OperatorAttributes attributes)
    {
        if (IsNumber(rule))
            return TensorData.Of([attributes.Float(rule.Attribute, 0)]);
        if (rule.Attribute == "scales")
        {
            var scales = attributes.Floats(rule.Attribute);
            return TensorData.Of(scales.AsSpan(), scales.Length);
        }
        var values = rule.Attribute == "k"
            ? [attributes.Integer(rule.Attribute, 0)]
            : attributes.Integers(rule.Attribute);
        return TensorData.Of(values.AsSpan(), values.Length);
    }

    private static ImmutableArray<long> Integers(TensorData data) => data.ElementType == ElementType.Int64
        ? [.. MemoryMarshal.Cast<byte, long>(data.Bytes)]
        : [.. MemoryMarshal.Cast<byte, int>(data.Bytes).ToArray().Select(value => (long)value)];

    /// <summary>
    /// Converts resizing from before opset 11: coordinates were scaled from the corner, and nearest meant rounding down
    /// when enlarging and up when reducing.
    /// </summary>
    private static void UpgradeResize(OnnxNode node, OnnxTensorPool tensors)
    {
        var scales = node.Type == "Upsample" ? [] : ConstantScales();
        var isReduced = scales.Any(scale => scale < 1);
        if (isReduced && scales.Any(scale => scale > 1))
        {
            throw new NotSupportedException(
                $"Node {node} enlarges one axis and reduces another, "
                + "which only opset 11 and later can say precisely.");
        }
        node.Type = "Resize";
        node.SetInput(2, node.Input(1));
        node.SetInput(1, "");
        node.Attributes = node.Attributes
            .With("coordinate_transformation_mode", "asymmetric")
            .With("nearest_mode", isReduced ? "ceil" : "floor");

        float[] ConstantScales()
        {
            if (node.Attributes.Text("mode", "nearest") != "nearest")
                return [];
            return tensors.TryGet(node.Input(1), out var data) && data.ElementType == ElementType.Float32
                ? MemoryMarshal.Cast<byte, float>(data.Bytes).ToArray()
                : throw new NotSupportedException(
                    $"Node {node} has scales that are computed in the graph, in the form of opset 10; "
                    + "only constant ones are supported there.");
        }
    }

    /// <summary>
    /// Converts the softmax of opsets until 12: the input was flattened into a matrix at the axis (1 by default), and
    /// the softmax ran over the rows of the matrix.
    /// </summary>
    private static IEnumerable<OnnxNode> UpgradeSoftmax(OnnxNode node, OnnxTensorPool tensors)
    {
        var axis = node.Attributes.Integer("axis", 1);
        node.Attributes = node.Attributes.With("axis", -1L);
        if (axis == -1 || node.Inputs.Count == 0)
            return [node];
        var (input, output) = (node.Inputs[0], node.Outputs[0]);
        var (shape, flat, rows) = (
            tensors.FreshName($"{output}.shape"),
            tensors.FreshName($"{output}.flat"),
            tensors.FreshName($"{output}.rows"));
        node.Inputs[0] = flat;
        node.Outputs[0] = rows;
        return
        [
            new OnnxNode($"{node.Name}.shape", "Shape", OperatorAttributes.None, [input], [shape]),
            new OnnxNode($"{node.Name}.flat", "Flatten", new OperatorAttributes(("axis", axis)), [input], [flat]),
            node,
            new OnnxNode($"{node.Name}.unflat", "Reshape", OperatorAttributes.None, [rows, shape], [output]),
        ];
    }

    /// <summary>
    /// Converts the group normalization of opset 18, which has a scale and a bias for each group: with the groups as
    /// channels it is an instance normalization.
    /// </summary>
    private static IEnumerable<OnnxNode> UpgradeGroupNormalization(OnnxNode node, OnnxTensorPool tensors)
    {
        var (input, output) = (node.Input(0), node.Outputs[0]);
        var (shape, groups, normalized) = (
            tensors.FreshName($"{output}.shape"),
            tensors.FreshName($"{output}.groups"),
            tensors.FreshName($"{output}.normalized"));
        var count = node.Attributes.Integer("num_groups", 0);
        var target = tensors.Add($"{output}.target", TensorData.Of([0L, count, -1], 3));
        return
        [
            new OnnxNode($"{node.Name}.shape", "Shape", OperatorAttributes.None, [input], [shape]),
            new OnnxNode($"{node.Name}.groups", "Reshape", OperatorAttributes.None, [input, target], [groups]),
            new OnnxNode(
                node.Name, "InstanceNormalization",
                new OperatorAttributes(("epsilon", node.Attributes.Float("epsilon", 1e-5f))),
                [groups, node.Input(1), node.Input(2)], [normalized]),
            new OnnxNode($"{node.Name}.back", "Reshape", OperatorAttributes.None, [normalized, shape], [output]),
        ];
    }

    /// <summary>
    /// Converts the batch normalization until opset 8 that is not spatial: each element has statistics of its own.
    /// </summary>
    private static IEnumerable<OnnxNode> UpgradeNormalizationOfElements(OnnxNode node, OnnxTensorPool tensors)
    {
        var output = node.Outputs[0];
        var epsilon = tensors.Add($"{output}.epsilon", TensorData.Of([node.Attributes.Float("epsilon", 1e-5f)], 1));
        (string Type, string First, string Second)[] steps =
        [
            ("Sub", node.Input(0), node.Input(3)),
            ("Add", node.Input(4), epsilon),
            ("Sqrt", "1", ""),
            ("Div", "0", "2"),
            ("Mul", "3", node.Input(1)),
            ("Add", "4", node.Input(2)),
        ];
        var names = Enumerable.Range(0, steps.Length)
            .Select(n => n == steps.Length - 1 ? output : tensors.FreshName($"{output}.{n}"))
            .ToArray();
        return steps.Select((step, n) => new OnnxNode(
            $"{node.Name}.{n}", step.Type, OperatorAttributes.None,
            new[] { step.First, step.Second }.Where(input => input.Length > 0)
                .Select(input => input.Length == 1 && char.IsAsciiDigit(input[0]) ? names[input[0] - '0'] : input),
            [names[n]]));
    }
}

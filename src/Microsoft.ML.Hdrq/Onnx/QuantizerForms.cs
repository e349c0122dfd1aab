using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Quantizers in files. ONNX has no simulated quantizers. An activation is written as <c>QuantizeLinear</c>,
/// <c>Clip</c> on the integers where the quantizer has fewer bits than the integer type, and <c>DequantizeLinear</c>. A
/// weight is written as its integers, which are all that is stored of it, followed by the last two nodes. The reader
/// derives the bits from the bounds of <c>Clip</c>. With this order of nodes, runtimes fold what is computed on a
/// weight's integers and find their integer kernels. How integers are stored: see <see cref="IntegerStorage"/>.
/// </summary>
internal static class QuantizerForms
{
    /// <summary>The first opset with 4-bit integers.</summary>
    public const int FourBitsOpset = 21;

    private const float MinScale = 1e-30f;
    private const float MaxScale = 1e30f;

    /// <summary>The oldest opset that can express a quantizer.</summary>
    public static int MinimumOpset(FakeQuantize quantizer) => quantizer switch
    {
        { Axis: not null } => 13,
        _ when IntegerStorage.OfActivation(quantizer).IsWiderThan(quantizer.Range) => 12,
        _ => 10,
    };

    /// <summary>The integers of a quantized weight, as a file stores them.</summary>
    public static TensorData Integers(
        FakeQuantize quantizer,
        torch.Tensor weight,
        torch.Tensor scale,
        IntegerStorage storage)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var integers = quantizer.Integers(weight, scale).add(Scalars.Keep(storage.ZeroPoint), Scalars.One);
        return TensorData.FromTorch(integers.to(storage.Type.ToTorch()), storage.Type);
    }

    /// <summary>Writes a quantizer.</summary>
    /// <param name="node">The node of a quantizer.</param>
    /// <param name="quantizer">Its operator.</param>
    /// <param name="storage">How the integers are stored.</param>
    /// <param name="isStored">Whether the file holds the integers themselves.</param>
    /// <param name="freshName">Makes a name that is not in use.</param>
    /// <param name="constant">
    /// Returns the name of a constant with an integer of an element type: a scalar, or a list with the given count.
    /// </param>
    /// <param name="channels">The number of scales.</param>
    public static IEnumerable<OnnxNode> Expand(
        GraphNode node,
        FakeQuantize quantizer,
        IntegerStorage storage,
        bool isStored,
        Func<string, string> freshName,
        Func<ElementType, int, long?, string> constant,
        long channels)
    {
        var (value, scale, output) = (node.Inputs[0], node.Inputs[1], node.Outputs[0]);
        var (range, wide) = (quantizer.Range, storage.ComputedType);
        var grid = quantizer.Axis is { } axis ? new OperatorAttributes(("axis", axis)) : OperatorAttributes.None;
        // A zero point of 0 is written as well: runtimes compare the zero points of the inputs and outputs of pooling,
        // and have no integer kernel for a matrix product with a weight without a zero point.
        var zeroPoint = constant(wide, storage.ZeroPoint, quantizer.Axis is null ? null : channels);
        if (!isStored)
            yield return Step("QuantizeLinear", "integers", grid, scale, zeroPoint);
        else if (storage.Type != wide)
            yield return Step("Cast", "wide", new OperatorAttributes(("to", (long)wide)));
        if (storage.IsWiderThan(range))
        {
            yield return Step(
                "Clip",
                "clipped",
                OperatorAttributes.None,
                constant(wide, range.Minimum + storage.ZeroPoint, null),
                constant(wide, range.Maximum + storage.ZeroPoint, null));
        }
        yield return new OnnxNode(node.Name, "DequantizeLinear", grid, [value, scale, zeroPoint], [output]);

        OnnxNode Step(string type, string name, OperatorAttributes attributes, params string[] further)
        {
            var step = new OnnxNode(
                $"{node.Name}.{name}",
                type,
                attributes,
                [value, .. further],
                [freshName($"{output}.{name}")]);
            value = step.Outputs[0];
            return step;
        }
    }

    /// <summary>
    /// Reads quantizers: nodes that compute exactly what a quantizer does are replaced by one, whichever tool wrote
    /// them, and a weight's integers become floats again. Other uses of the same operators, such as zero points that
    /// differ between channels, remain unchanged.
    /// </summary>
    /// <param name="nodes">All nodes.</param>
    /// <param name="tensors">The file's tensors; integers that become floats are replaced.</param>
    /// <param name="outputs">The names of the graph's outputs.</param>
    public static IReadOnlyList<OnnxNode> Collapse(
        IReadOnlyList<OnnxNode> nodes,
        OnnxTensorPool tensors,
        IReadOnlyCollection<string> outputs)
    {
        if (!nodes.Any(node => node.Type == "DequantizeLinear"))
            return nodes;
        var definers = new Dictionary<string, OnnxNode>(StringComparer.Ordinal);
        var readers = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            foreach (var output in node.Outputs)
                definers.TryAdd(output, node);
            foreach (var input in node.Inputs)
                readers[input] = readers.GetValueOrDefault(input) + 1;
        }
        // The readers of an output are unknown: it counts as read more than once.
        foreach (var output in outputs)
            readers[output] = int.MaxValue;

        var replaced = new Dictionary<OnnxNode, OnnxNode?>();
        foreach (var node in nodes.Where(node => node.Type == "DequantizeLinear" && node.Outputs.Count == 1))
        {
            if (Match(node, definers, readers, tensors) is not { } match)
                continue;
            replaced[node] = match.Quantizer;
            match.Absorbed.ForEach(absorbed => replaced[absorbed] = null);
        }
        return [.. nodes.Select(node => replaced.GetValueOrDefault(node, node)).OfType<OnnxNode>()];
    }

    private static (OnnxNode Quantizer, List<OnnxNode> Absorbed)? Match(
        OnnxNode node,
        Dictionary<string, OnnxNode> definers,
        Dictionary<string, int> readers,
        OnnxTensorPool tensors)
    {
        if (Scales(node, tensors) is not { } scales || ZeroPoint(node.Input(2), tensors) is not { } zeroPoint)
            return null;
        var absorbed = new List<OnnxNode>();
        var value = node.Input(0);
        var clip = Above("Clip");
        var cast = Above("Cast");
        var quantize = cast is null ? Above("QuantizeLinear") : null;
        TensorData? integers = null;
        ElementType type;
        if (quantize is not null)
        {
            if (quantize.Input(1) != node.Input(1)
                || quantize.Attributes.Integer("axis", 1) != node.Attributes.Integer("axis", 1)
                || quantize.Attributes.Integer("block_size", 0) != 0
                || quantize.Attributes.Contains("output_dtype")
                || ZeroPoint(quantize.Input(2), tensors) != zeroPoint)
            {
                return null;
            }
            type = quantize.Input(2).Length == 0 ? ElementType.UInt8 : tensors[quantize.Input(2)].ElementType;
            value = quantize.Input(0);
        }
        else
        {
            if (readers.GetValueOrDefault(value) != 1
                || !tensors.TryGet(value, out integers)
                || cast is not null
                && (ElementType)cast.Attributes.Integer("to", 0) != Wide(integers.ElementType))
            {
                return null;
            }
            type = integers.ElementType;
        }
        // A single scale serves integers of any shape, even where the file names an axis that does not fit them.
        if (integers is not null && scales.Values.Length == 1 && !Fits(integers, scales))
            scales.Axis = null;
        var storage = new IntegerStorage(type, zeroPoint);
        if (Range(storage, clip, tensors) is not { } range || integers is not null && !Fits(integers, scales))
            return null;
        if (integers is not null)
            tensors.Replace(value, Numbers(integers, storage, range, scales));
        var attributes = FakeQuantize.AttributesFor(range, scales.Axis);
        return (
            new OnnxNode(node.Name, FakeQuantize.Name, attributes, [value, node.Input(1)], node.Outputs),
            absorbed);

        OnnxNode? Above(string above)
        {
            if (!definers.TryGetValue(value, out var definer)
                || definer.Type != above
                || readers.GetValueOrDefault(value) != 1)
            {
                return null;
            }
            absorbed.Add(definer);
            value = definer.Input(0);
            return definer;
        }
    }

    /// <summary>
    /// The scales of a node and their axis, which is null for one scale. Null where the scales are computed, are not of
    /// single precision, or are so extreme that integers would not survive.
    /// </summary>
    public static (float[] Values, long? Axis)? Scales(OnnxNode node, OnnxTensorPool tensors)
    {
        if (!tensors.TryGet(node.Input(1), out var data)
            || data.ElementType != ElementType.Float32
            || data.Shape.Length > 1
            || node.Attributes.Integer("block_size", 0) != 0)
        {
            return null;
        }
        var values = MemoryMarshal.Cast<byte, float>(data.Bytes).ToArray();
        if (values.Length == 0 || !values.All(scale => scale is >= MinScale and <= MaxScale))
            return null;
        var isSingle = data.Shape.Length == 0 || values.Length == 1 && !node.Attributes.Contains("axis");
        return (values, isSingle ? null : node.Attributes.Integer("axis", 1));
    }

    /// <summary>The zero point that all scales share; null where it is computed or the zero points differ.</summary>
    public static int? ZeroPoint(string name, OnnxTensorPool tensors)
    {
        if (name.Length == 0)
            return 0;
        if (!tensors.TryGet(name, out var data)
            || data.Bytes.Length == 0
            || data.Bytes.ContainsAnyExcept(data.Bytes[0]))
        {
            return null;
        }
        return data.ElementType switch
        {
            ElementType.UInt8 or ElementType.UInt4 => data.Bytes[0],
            ElementType.Int8 or ElementType.Int4 => (sbyte)data.Bytes[0],
            _ => data.Bytes[0] == 0 ? 0 : null,
        };
    }

    /// <summary>Replaces the names of inputs. No new name may itself be replaced.</summary>
    public static void Rename(IEnumerable<OnnxNode> nodes, IReadOnlyDictionary<string, string> names)
    {
        if (names.Count == 0)
            return;
        foreach (var node in nodes)
        {
            for (var i = 0; i < node.Inputs.Count; i++)
            {
                node.Inputs[i] = names.GetValueOrDefault(node.Inputs[i], node.Inputs[i]);
            }
        }
    }

    private static ElementType? Wide(ElementType type) => type is ElementType.Int4 or ElementType.UInt4
        ? new IntegerStorage(type, 0).ComputedType
        : null;

    /// <summary>The integers of an element type within a clip; null where no quantizer has this range.</summary>
    private static QuantizationRange? Range(IntegerStorage storage, OnnxNode? clip, OnnxTensorPool tensors)
    {
        if (storage.Bounds is not var (minimum, maximum))
            return null;
        if (clip is not null)
        {
            if (Bound(clip.Input(1)) is not { } lower || Bound(clip.Input(2)) is not { } upper)
                return null;
            (minimum, maximum) = (
                Math.Max(minimum, lower - storage.ZeroPoint),
                Math.Min(maximum, upper - storage.ZeroPoint));
        }
        return QuantizationRange.IsRange(minimum, maximum) ? QuantizationRange.Between(minimum, maximum) : null;

        int? Bound(string name) => tensors.TryGet(name, out var data) && data.Bytes.Length == 1
            ? data.ElementType switch
            {
                ElementType.Int8 => (sbyte)data.Bytes[0],
                ElementType.UInt8 => data.Bytes[0],
                _ => null,
            }
            : null;
    }

    private static bool Fits(TensorData integers, (float[] Values, long? Axis) scales)
    {
        if (scales.Axis is not { } axis)
            return true;
        var rank = integers.Shape.Length;
        return axis >= -rank
            && axis < rank
            && integers.Shape[(int)(axis < 0 ? axis + rank : axis)] == scales.Values.Length;
    }

    private static TensorData Numbers(
        TensorData integers,
        IntegerStorage storage,
        QuantizationRange range,
        (float[] Values, long? Axis) scales)
    {
        // The number of successive elements with the same scale.
        var run = 1L;
        if (scales.Axis is { } axis)
        {
            foreach (var size in integers.Shape[((int)(axis < 0 ? axis + integers.Shape.Length : axis) + 1)..])
                run *= size;
        }
        var numbers = new float[integers.Bytes.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            int integer = storage.Type is ElementType.Int8 or ElementType.Int4
                ? (sbyte)integers.Bytes[i]
                : integers.Bytes[i];
            var scale = scales.Values[scales.Axis is null ? 0 : i / run % scales.Values.Length];
            numbers[i] = Math.Clamp(integer - storage.ZeroPoint, range.Minimum, range.Maximum) * scale;
        }
        return TensorData.Of<float>(numbers, integers.Shape);
    }
}

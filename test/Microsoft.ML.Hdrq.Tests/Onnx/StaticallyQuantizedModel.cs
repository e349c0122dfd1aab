using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// Models laid out as <c>onnxruntime.quantization.quantize_static</c> lays them out with <c>QuantFormat.QDQ</c>, names
/// included: see <c>qdq_quantizer.py</c> and <c>quant_utils.compute_scale_zp</c> of ONNX Runtime.
/// </summary>
internal sealed class StaticallyQuantizedModel
{
    private readonly List<IMessage> _parts = [];
    private readonly Dictionary<string, float> _scales = new(StringComparer.Ordinal);
    private readonly Random _random;

    private StaticallyQuantizedModel(int seed) => _random = new Random(seed);

    /// <summary>
    /// The type of activations; signed ones with any zero point unless <see cref="IsSymmetric"/>
    /// (<c>ActivationSymmetric</c>).
    /// </summary>
    public ElementType Activations { get; init; } = ElementType.UInt8;

    public bool IsSymmetric { get; init; }

    /// <summary>The type of weights: signed are symmetric, unsigned have any zero point.</summary>
    public ElementType Weights { get; init; } = ElementType.Int8;

    public bool PerChannel { get; init; }

    /// <summary>
    /// Two convolutions of which the first was followed by a rectification, a residual addition, pooling of both kinds,
    /// and a linear layer, on [-1, 3, 8, 8]: <c>MatMul</c> and <c>Add</c> or <c>Gemm</c>.
    /// </summary>
    public static ModelProto Network(
        int seed, ElementType activations = ElementType.UInt8, ElementType weights = ElementType.Int8,
        bool perChannel = false, bool isSymmetric = false, bool matMul = false, bool transposed = true, float range = 1)
    {
        var model = new StaticallyQuantizedModel(
            seed)
        { Activations = activations, Weights = weights, PerChannel = perChannel, IsSymmetric = isSymmetric };
        var input = model.Activation("x", -1.2f * range, 1.9f * range);
        model.Layer("Conv", input, "conv1", 0, [6, 3, 3, 3], ("pads", new long[] { 1, 1, 1, 1 }),
            ("kernel_shape", new long[] { 3, 3 }));
        // The rectification is gone: the quantizer clips at zero.
        var first = model.Rectified("conv1", 2.5f * range);
        model.Layer("Conv", first, "conv2", 0, [6, 6, 3, 3], ("pads", new long[] { 1, 1, 1, 1 }));
        var second = model.Activation("conv2", -3.1f * range, 2.6f * range);
        model._parts.Add(Node("Add", $"{second} {first}", "sum"));
        var sum = model.Activation("sum", -2.2f * range, 4f * range);
        model._parts.Add(Node("MaxPool", sum, "pooled", ("kernel_shape", new long[] { 2, 2 }),
            ("strides", new long[] { 2, 2 })));
        // Moved values share the scale of what they were.
        var pooled = model.Pair("pooled", "sum");
        model._parts.Add(Node("GlobalAveragePool", pooled, "mean"));
        var mean = model.Activation("mean", -1f * range, 1.7f * range);
        model._parts.Add(Node("Flatten", mean, "flat"));
        var flat = model.Pair("flat", "mean");
        var output = "y_QuantizeLinear_Input";
        if (matMul)
        {
            model.Layer("MatMul", flat, "product", 1, [6, 5]);
            var product = model.Activation("product", -2f * range, 2.2f * range);
            var bias = model.Floats("fc.bias", [5]);
            // A bias that is added is quantized like an activation that is known beforehand.
            model._parts.Add(Node("Add",
                $"{product} {model.Stored("fc.bias", bias, [5], ElementType.UInt8, axis: null)}", output));
        }
        else if (transposed)
        {
            model.Layer("Gemm", flat, output, 0, [5, 6], ("transB", 1));
        }
        else
        {
            model.Layer("Gemm", flat, output, 1, [6, 5]);
        }
        model.Activation("y", -2.3f * range, 2.1f * range, output);
        var proto = ModelOf(13, [-1, 3, 8, 8], [.. model._parts]);
        proto.ProducerName = "onnx.quantize";
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "com.microsoft", Version = 1 });
        return proto;
    }

    private string Rectified(string name, float largest) => Activation(name, IsSymmetric ? -largest : 0, largest);

    private string Activation(string name, float least, float greatest, string? input = null)
    {
        var (scale, zeroPoint) = Parameters(least, greatest, Activations, IsSymmetric);
        _scales.Add(name, scale);
        _parts.Add(OnnxModels.Floats($"{name}_scale", [], scale));
        _parts.Add(Integers($"{name}_zero_point", Activations, [], zeroPoint));
        return Pair(name, name, input);
    }

    /// <summary>Quantizes a value with the scale of another.</summary>
    private string Pair(string name, string like, string? input = null)
    {
        var output = input is null ? $"{name}_DequantizeLinear_Output" : name;
        _parts.Add(Node("QuantizeLinear", $"{input ?? name} {like}_scale {like}_zero_point",
            $"{name}_QuantizeLinear_Output"));
        _parts.Add(Node("DequantizeLinear", $"{name}_QuantizeLinear_Output {like}_scale {like}_zero_point", output));
        _scales[output] = _scales[like];
        return output;
    }

    private void Layer(string type, string input, string output, int axis, long[] shape,
        params (string, object)[] attributes)
    {
        var values = Floats($"{output}.weight", shape);
        var weight = Stored($"{output}.weight", values, shape, Weights, PerChannel ? axis : null);
        if (type == "MatMul")
        {
            _parts.Add(Node(type, $"{input} {weight}", output));
            return;
        }
        var step = ((TensorProto)_parts.Last(
            part => part is TensorProto { Name: var name } && name == $"{output}.weight_scale")).FloatData.Select(
            scale => scale * _scales[input]).ToArray();
        var bias = Floats($"{output}.bias", [shape[axis]]);
        _parts.Add(Integers($"{output}.bias_quantized", ElementType.Int32, [bias.Length],
            [.. bias.Select((value, c) => (int)MathF.Round(value / step[c % step.Length]))]));
        _parts.Add(OnnxModels.Floats($"{output}.bias_quantized_scale", [step.Length], step));
        _parts.Add(Integers($"{output}.bias_quantized_zero_point", ElementType.Int32, [step.Length], new int[step.Length]));
        (string, object)[] grid = step.Length > 1 ? [("axis", 0)] : [];
        _parts.Add(Node("DequantizeLinear",
            $"{output}.bias_quantized {output}.bias_quantized_scale {output}.bias_quantized_zero_point",
            $"{output}.bias_DequantizeLinear_Output", grid));
        _parts.Add(Node(type, $"{input} {weight} {output}.bias_DequantizeLinear_Output", output, attributes));
    }

    /// <summary>A tensor of which the file has the integers.</summary>
    private string Stored(string name, float[] values, long[] shape, ElementType type, int? axis)
    {
        var run = axis is { } a ? shape[(a + 1)..].Aggregate(1L, (product, size) => product * size) : values.Length;
        var channels = axis is { } b ? (int)shape[b] : 1;
        var parameters = Enumerable.Range(0, channels).Select(c =>
        {
            var own = values.Where((_, i) => i / run % channels == c).ToArray();
            return Parameters(Math.Min(0, own.Min()), Math.Max(0, own.Max()), type, type == ElementType.Int8);
        }).ToArray();
        long[] list = axis is null ? [] : [channels];
        var integers = values.Select(
            (value, i) => Clamp((int)MathF.Round(value / parameters[i / run % channels].Scale)
                + parameters[i / run % channels].ZeroPoint, type)).ToArray();
        _parts.Add(Integers($"{name}_quantized", type, shape, integers));
        _parts.Add(OnnxModels.Floats($"{name}_scale", list, [.. parameters.Select(parameter => parameter.Scale)]));
        _parts.Add(Integers($"{name}_zero_point", type, list, [.. parameters.Select(parameter => parameter.ZeroPoint)]));
        (string, object)[] grid = axis is { } c ? [("axis", c)] : [];
        _parts.Add(Node("DequantizeLinear", $"{name}_quantized {name}_scale {name}_zero_point",
            $"{name}_DequantizeLinear_Output", grid));
        return $"{name}_DequantizeLinear_Output";
    }

    private float[] Floats(string name, long[] shape)
    {
        var spread = name.EndsWith("bias", StringComparison.Ordinal) ? 0.3f
            : 2 / MathF.Sqrt(shape.Aggregate(1L, (product, size) => product * size) / shape.Max());
        return [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (product, size) => product * size))
            .Select(_ => ((_random.NextSingle() * 2) - 0.9f) * spread)];
    }

    /// <summary>
    /// As <c>compute_scale_zp</c>: integers of the whole type, those of symmetric bytes without the least.
    /// </summary>
    private static (float Scale, int ZeroPoint) Parameters(float least, float greatest, ElementType type, bool isSymmetric)
    {
        var (minimum, maximum) = type == ElementType.Int8 ? (isSymmetric ? -127 : -128, 127) : (0, 255);
        if (isSymmetric)
            (least, greatest) = (-Math.Max(-least, greatest), Math.Max(-least, greatest));
        var scale = (greatest - least) / (maximum - minimum);
        return (scale, (int)MathF.Round(isSymmetric ? (minimum + maximum) / 2f : minimum - (least / scale)));
    }

    private static int Clamp(int value, ElementType type) => type == ElementType.Int8 ? Math.Clamp(value, -128, 127)
        : Math.Clamp(value, 0, 255);

    private static TensorProto Integers(string name, ElementType type, long[] shape, params int[] values) =>
        OnnxTensors.Write(name, type switch
        {
            ElementType.Int32 => TensorData.Of<int>(values, shape),
            _ => new TensorData(type, shape, [.. values.Select(value => (byte)value)]),
        });
}

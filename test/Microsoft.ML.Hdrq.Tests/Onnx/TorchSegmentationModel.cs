using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx.Protobuf;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>
/// Segmentation networks node by node as <c>torch.onnx.export</c> writes them with dynamic axes: normalizations and
/// GELU taken apart, linear layers as MatMul and Add, every view computed from shapes.
/// </summary>
internal sealed class TorchSegmentationModel
{
    public const int Classes = 4;

    private readonly GraphProto _graph = new() { Name = "main_graph" };
    private int _number;

    private TorchSegmentationModel()
    {
    }

    /// <summary>
    /// A SegFormer of two stages with a transformer block each; the first has keys and values at half the resolution.
    /// </summary>
    public static ModelProto SegFormer(int opset = 14)
    {
        var model = new TorchSegmentationModel();
        var first = model.Stage("stage0", "pixel_values", 3, 8, heads: 1, reduction: 2, kernel: 7, stride: 4);
        var second = model.Stage("stage1", first, 8, 16, heads: 2, reduction: 1, kernel: 3, stride: 2);
        var heads = new List<string>();
        foreach (var (stage, channels, name) in new[] { (second, 16, "head1"), (first, 8, "head0") })
        {
            var value = model.Linear($"{name}.proj", model.Tokens(stage), channels, 8);
            value = model.Image(value, stage, 8);
            heads.Add(model.ResizeLike(value, first));
        }
        var fused = model.Node("Concat", string.Join(' ', heads), ("axis", 1));
        fused = model.Node("Relu", model.Normalize(
            "batch_norm", model.Conv("linear_fuse", fused, 16, 8, 1, 1, bias: false), 8));
        return model.Finish(model.ResizeLike(model.Conv("classifier", fused, 8, Classes, 1, 1), "pixel_values"), opset);
    }

    /// <summary>A DeepLab with two residual blocks and atrous spatial pyramid pooling.</summary>
    public static ModelProto DeepLab(int opset = 14)
    {
        var model = new TorchSegmentationModel();
        var value = model.Node("Relu",
            model.Normalize("bn1", model.Conv("conv1", "pixel_values", 3, 8, 3, 2, bias: false), 8));
        value = model.Node("MaxPool", value, ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }), ("ceil_mode", 0));
        foreach (var dilation in new[] { 1, 2 })
        {
            var inner = model.Node("Relu",
                model.Normalize($"layer{dilation}.bn1",
                    model.Conv($"layer{dilation}.conv1", value, 8, 8, 3, 1, dilation, bias: false), 8));
            inner = model.Normalize($"layer{dilation}.bn2",
                model.Conv($"layer{dilation}.conv2", inner, 8, 8, 3, 1, dilation, bias: false), 8);
            value = model.Node("Relu", model.Node("Add", $"{inner} {value}"));
        }
        var branches = new List<string> {
            model.Node("Relu", model.Normalize("aspp0.bn", model.Conv("aspp0", value, 8, 6, 1, 1, bias: false), 6)) };
        branches.AddRange(new[] { 2, 3 }.Select(
            dilation => model.Node("Relu",
                model.Normalize($"aspp{dilation}.bn",
                    model.Conv($"aspp{dilation}", value, 8, 6, 3, 1, dilation, bias: false), 6))));
        var pooled = model.Node("Relu",
            model.Normalize("pool.bn", model.Conv(
                "pool", model.Node("GlobalAveragePool", value), 8, 6, 1, 1, bias: false), 6));
        branches.Add(model.ResizeLike(pooled, value));
        var joined = model.Node("Relu",
            model.Normalize("project.bn",
                model.Conv("project", model.Node("Concat", string.Join(' ', branches), ("axis", 1)), 24, 8, 1, 1,
                    bias: false), 8));
        return model.Finish(model.ResizeLike(model.Conv("classifier", joined, 8, Classes, 1, 1), "pixel_values"), opset);
    }

    private ModelProto Finish(string scores, int opset)
    {
        _graph.Node.Add(OnnxModels.Node("Identity", scores, "logits"));
        _graph.Input.Add(Image("pixel_values", 3));
        _graph.Output.Add(Image("logits", Classes));
        return OnnxModels.ModelOf(opset, _graph);

        static ValueInfoProto Image(string name, int channels)
        {
            var value = OnnxModels.Value(name, -1, channels, -1, -1);
            foreach (var (dimension, symbol) in new[] { (0, "batch"), (2, "height"), (3, "width") })
                value.Type.TensorType.Shape.Dim[dimension].DimParam = symbol;
            return value;
        }
    }

    private string Stage(string name, string image, int inputs, int channels, int heads, int reduction, int kernel,
        int stride)
    {
        var patches = Conv($"{name}.patch", image, inputs, channels, kernel, stride);
        var value = LayerNorm($"{name}.patch_norm", Tokens(patches), channels);
        var normalized = LayerNorm($"{name}.norm1", value, channels);
        var source = normalized;
        if (reduction > 1)
        {
            source = Image(normalized, patches, channels);
            source = Tokens(Conv($"{name}.sr", source, channels, channels, reduction, reduction, padding: 0));
            source = LayerNorm($"{name}.sr_norm", source, channels);
        }
        var query = Heads(Linear($"{name}.query", normalized, channels, channels), heads, channels);
        var key = Heads(Linear($"{name}.key", source, channels, channels), heads, channels);
        var values = Heads(Linear($"{name}.value", source, channels, channels), heads, channels);
        var scores =
            Node(
            "Div",
            $"{Node("MatMul", $"{query} {Node("Transpose", key, ("perm", new long[] { 0, 1, 3, 2 }))}")} {Number(MathF.Sqrt(channels / heads))}");
        var context = Node("Transpose", Node("MatMul", $"{Node("Softmax", scores, ("axis", -1))} {values}"),
            ("perm", new long[] { 0, 2, 1, 3 }));
        context =
            Node(
            "Reshape",
            $"{context} {Node("Concat", $"{Node("Slice", $"{Node("Shape", context)} {Longs(0)} {Longs(2)} {Longs(0)}")} {Longs(channels)}", ("axis", 0))}");
        value = Node("Add", $"{Linear($"{name}.dense", context, channels, channels)} {value}");

        var mlp = Linear($"{name}.fc1", LayerNorm($"{name}.norm2", value, channels), channels, 4 * channels);
        mlp = Tokens(Conv($"{name}.dwconv", Image(mlp, patches, 4 * channels), 4 * channels, 4 * channels, 3, 1,
            groups: 4 * channels));
        mlp = Linear($"{name}.fc2", Gelu(mlp), 4 * channels, channels);
        value = Node("Add", $"{mlp} {value}");
        return Image(LayerNorm($"{name}.norm", value, channels), patches, channels);
    }

    /// <summary><c>x.flatten(2).transpose(1, 2)</c></summary>
    private string Tokens(string image)
    {
        var start = Node("Slice", $"{Node("Shape", image)} {Longs(0)} {Longs(2)} {Longs(0)}");
        return Node("Transpose", Node("Reshape", $"{image} {Node("Concat", $"{start} {Longs(-1)}", ("axis", 0))}"),
            ("perm", new long[] { 0, 2, 1 }));
    }

    /// <summary><c>x.permute(0, 2, 1).reshape(batch, channels, height, width)</c> with the sizes of an image.</summary>
    private string Image(string tokens, string like, int channels)
    {
        var batch = Node("Unsqueeze", $"{Node("Gather", $"{Node("Shape", tokens)} {Scalar(0)}", ("axis", 0))} {Longs(0)}");
        string[] sizes = [.. new[] { 2, 3 }.Select(
            axis =>
            Node("Unsqueeze", $"{Node("Gather", $"{Node("Shape", like)} {Scalar(axis)}", ("axis", 0))} {Longs(0)}"))];
        var shape = Node("Concat", $"{batch} {Longs(channels)} {sizes[0]} {sizes[1]}", ("axis", 0));
        return Node("Reshape", $"{Node("Transpose", tokens, ("perm", new long[] { 0, 2, 1 }))} {shape}");
    }

    private string Heads(string tokens, int heads, int channels)
    {
        var shape = Node("Shape", tokens);
        string[] sizes = [.. new[] { 0, 1 }.Select(
            axis => Node("Unsqueeze", $"{Node("Gather", $"{shape} {Scalar(axis)}", ("axis", 0))} {Longs(0)}"))];
        var view = Node("Concat", $"{sizes[0]} {sizes[1]} {Longs(heads)} {Longs(channels / heads)}", ("axis", 0));
        return Node("Transpose", Node("Reshape", $"{tokens} {view}"), ("perm", new long[] { 0, 2, 1, 3 }));
    }

    private string LayerNorm(string name, string value, int channels)
    {
        var centered = Node("Sub", $"{value} {Node("ReduceMean", value, ("axes", new long[] { -1 }))}");
        var variance = Node("ReduceMean", Node("Pow", $"{centered} {Number(2)}"), ("axes", new long[] { -1 }));
        var normalized = Node("Div", $"{centered} {Node("Sqrt", Node("Add", $"{variance} {Number(1e-5f)}"))}");
        return Node(
            "Add",
            $"{Node("Mul", $"{normalized} {Weight($"{name}.weight", 1, channels)}")} {Weight($"{name}.bias", 0, channels)}");
    }

    private string Gelu(string value)
    {
        var erf = Node("Erf", Node("Div", $"{value} {Number(MathF.Sqrt(2))}"));
        return Node("Mul", $"{Node("Mul", $"{value} {Node("Add", $"{erf} {Number(1)}")}")} {Number(0.5f)}");
    }

    private string Linear(string name, string value, int inputs, int outputs) =>
        Node(
        "Add",
        $"{Weight($"{name}.bias", 0, outputs)} {Node("MatMul", $"{value} {Weight($"{name}.weight", 0, inputs, outputs)}")}");

    private string Conv(string name, string value, int inputs, int outputs, int kernel, int stride, int dilation = 1,
        int groups = 1, bool bias = true, int? padding = null)
    {
        var pad = padding ?? kernel / 2 * dilation;
        var parts =
            $"{value} {Weight($"{name}.weight", 0, outputs, inputs / groups, kernel, kernel)}{(bias ? $" {Weight($"{name}.bias", 0, outputs)}" : "")}";
        return Node("Conv", parts, ("dilations", new long[] { dilation, dilation }), ("group", groups),
            ("kernel_shape", new long[] { kernel, kernel }), ("pads", new long[] { pad, pad, pad, pad }),
            ("strides", new long[] { stride, stride }));
    }

    private string Normalize(string name, string value, int channels) =>
        Node(
            "BatchNormalization",
            $"{value} {Weight($"{name}.weight", 1, channels)} {Weight($"{name}.bias", 0, channels)} "
                + $"{Weight($"{name}.running_mean", 0, channels)} {Weight($"{name}.running_var", 1.5f, channels)}",
            ("epsilon", 1e-5f));

    /// <summary><c>interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)</c></summary>
    private string ResizeLike(string value, string like)
    {
        string[] sizes = [.. new[] { 2, 3 }.Select(
            axis =>
            Node(
                "Unsqueeze",
                $"{Node("Cast", Node("Gather", $"{Node("Shape", like)} {Scalar(axis)}", ("axis", 0)), ("to", (int)ElementType.Int64))} {Longs(0)}"))];
        var start = Node("Slice", $"{Node("Shape", value)} {Longs(0)} {Longs(2)} {Longs(0)}");
        return Node("Resize", $"{value} _ _ {Node("Concat", $"{start} {sizes[0]} {sizes[1]}", ("axis", 0))}",
            ("coordinate_transformation_mode", "pytorch_half_pixel"), ("cubic_coeff_a", -0.75f), ("mode", "linear"),
            ("nearest_mode", "floor"));
    }

    private string Node(string type, string inputs, params (string Name, object Value)[] attributes)
    {
        var output = $"/{type}_{(_number++).ToString(CultureInfo.InvariantCulture)}_output_0";
        _graph.Node.Add(OnnxModels.Node(type, inputs, output, attributes));
        return output;
    }

    private string Weight(string name, float offset, params long[] shape)
    {
        var scale = shape.Length == 1 ? 0.2f
            : 1.5f / MathF.Sqrt(shape.Length == 2 ? shape[0]
            : shape[1..].Aggregate(1L, (product, size) => product * size));
        var tensor = OnnxModels.Random(name, _number + name.Length, shape);
        for (var i = 0; i < tensor.FloatData.Count; i++)
            tensor.FloatData[i] = offset + scale * tensor.FloatData[i];
        _graph.Initializer.Add(tensor);
        return name;
    }

    /// <summary>Constants are nodes in what Torch exports.</summary>
    private string Number(float value) => Node("Constant", "", ("value", OnnxModels.Floats("", [], value)));

    private string Longs(params long[] values) => Node("Constant", "", ("value", OnnxModels.Longs("", values)));

    private string Scalar(long value)
    {
        var tensor = OnnxModels.Longs("", value);
        tensor.Dims.Clear();
        return Node("Constant", "", ("value", tensor));
    }
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Tool.Jobs;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tool.Segmentation;

/// <summary>
/// A small DeepLab (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017) with random weights, put together with <see cref="NetworkBuilder"/>: a narrow ResNet-18 whose
/// last stages have dilated convolutions in place of strides, atrous spatial pyramid pooling without the pooled branch, and bilinear enlargement. Scores have a sixteenth of the image's height and
/// width before that, a quarter where the image is small.
/// </summary>
internal sealed class SmallDeepLab : IDisposable
{
    /// <summary>Images lower or narrower than this are small.</summary>
    private const int SmallImage = 128;

    /// <summary>Any number of images.</summary>
    private const long Batch = -1;

    private readonly NetworkBuilder _builder = new();
    private readonly torch.Generator _generator;

    private SmallDeepLab(int seed) => _generator = new((ulong)seed);

    /// <summary>Makes one.</summary>
    /// <param name="classes">The number of classes.</param>
    /// <param name="width">Channels of the first stage; the fourth has eight times as many.</param>
    /// <param name="imageHeight">Height of the images.</param>
    /// <param name="imageWidth">Width of the images.</param>
    /// <param name="seed">The seed of the weights.</param>
    public static Network Create(int classes, int width, int imageHeight, int imageWidth, int seed)
    {
        using var scope = torch.NewDisposeScope();
        using var layers = new SmallDeepLab(seed);
        var value = layers._builder.Input("input", Batch, 3, imageHeight, imageWidth);
        value = layers.Backbone(value, width, isSmall: Math.Min(imageHeight, imageWidth) < SmallImage);
        value = layers.Head(value, 8 * width, 4 * width, classes);
        layers._builder.Node("Resize", "scores", [value, "", "", layers._builder.Constant("size", imageHeight, imageWidth)], ("mode", "linear"), ("axes", new long[] { 2, 3 }));
        return layers._builder.Build(new GraphValue("scores", ElementType.Float32, [Batch, classes, imageHeight, imageWidth]));
    }

    public void Dispose()
    {
        _builder.Dispose();
        _generator.Dispose();
    }

    private string Backbone(string value, int width, bool isSmall)
    {
        value = Relu("relu", Convolution("conv1", value, 3, width, 3, stride: 2));
        if (!isSmall)
            value = _builder.Node("MaxPool", "maxpool", [value], ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 1, 1, 1 }));
        var channels = width;
        (int Stage, int Stride, int Dilation)[] stages = isSmall ? [(1, 1, 1), (2, 2, 1), (3, 1, 2), (4, 1, 4)] : [(1, 1, 1), (2, 2, 1), (3, 2, 1), (4, 1, 2)];
        foreach (var (stage, stride, dilation) in stages)
        {
            var outputs = width << (stage - 1);
            value = Block($"layer{stage}.0", value, channels, outputs, stride, dilation);
            value = Block($"layer{stage}.1", value, outputs, outputs, 1, dilation);
            channels = outputs;
        }
        return value;
    }

    private string Head(string value, int inputs, int channels, int classes)
    {
        var branches = new List<string> { Relu("aspp.0.relu", Convolution("aspp.0", value, inputs, channels, 1)) };
        foreach (var dilation in new[] { 3, 6, 9 })
            branches.Add(Relu($"aspp.{dilation}.relu", Convolution($"aspp.{dilation}", value, inputs, channels, 3, dilation: dilation)));
        value = _builder.Node("Concat", "aspp", [.. branches], ("axis", 1));
        value = Relu("project.relu", Convolution("project", value, branches.Count * channels, channels, 1));
        var weight = _builder.Parameter("classifier.weight", torch.randn([classes, channels, 1, 1], generator: _generator).mul_(Math.Sqrt(1.0 / channels)));
        return _builder.Node("Conv", "classifier", [value, weight, _builder.Parameter("classifier.bias", torch.zeros(classes))], ("kernel_shape", new long[] { 1, 1 }));
    }

    /// <summary>A basic block (He et al., CVPR 2016).</summary>
    private string Block(string name, string value, int inputs, int outputs, int stride, int dilation)
    {
        var branch = Relu($"{name}.relu1", Convolution($"{name}.conv1", value, inputs, outputs, 3, stride, dilation));
        branch = Convolution($"{name}.conv2", branch, outputs, outputs, 3, dilation: dilation);
        var shortcut = inputs == outputs ? value : Convolution($"{name}.downsample", value, inputs, outputs, 1, stride);
        return Relu($"{name}.relu2", _builder.Node("Add", $"{name}.add", [branch, shortcut]));
    }

    /// <summary>A convolution without bias that keeps the size at stride 1, and a batch normalization; weights by He et al. (ICCV 2015).</summary>
    private string Convolution(string name, string value, int inputs, int outputs, int kernel, int stride = 1, int dilation = 1)
    {
        var weight = _builder.Parameter($"{name}.weight", torch.randn([outputs, inputs, kernel, kernel], generator: _generator).mul_(Math.Sqrt(2.0 / (outputs * kernel * kernel))));
        var pad = dilation * (kernel / 2);
        value = _builder.Node(
            "Conv", name, [value, weight], ("kernel_shape", new long[] { kernel, kernel }), ("strides", new long[] { stride, stride }), ("pads", new long[] { pad, pad, pad, pad }),
            ("dilations", new long[] { dilation, dilation }));
        return _builder.Node("BatchNormalization", $"{name}.bn",
        [
            value,
            _builder.Parameter($"{name}.bn.weight", torch.ones(outputs)),
            _builder.Parameter($"{name}.bn.bias", torch.zeros(outputs)),
            _builder.Parameter($"{name}.bn.running_mean", torch.zeros(outputs), ParameterRole.Statistic),
            _builder.Parameter($"{name}.bn.running_var", torch.ones(outputs), ParameterRole.Statistic),
        ]);
    }

    private string Relu(string name, string value) => _builder.Node("Relu", name, [value]);
}

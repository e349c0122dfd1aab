using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// Layers with random weights, for the architectures: convolutions by He et al., "Delving Deep into Rectifiers" (ICCV 2015), normal with variance
/// 2 / fan; linear layers uniform within 1 / sqrt(inputs); normalizations start as the identity.
/// </summary>
internal sealed class LayerBuilder(long seed, bool fanOut) : IDisposable
{
    private readonly NetworkBuilder _builder = new();
    private readonly torch.Generator _generator = new((ulong)seed);

    public string Input(int size) => _builder.Input("input", TensorShape.Dynamic, 3, size, size);

    public string Relu(string name, string value) => _builder.Node("Relu", name, [value]);

    public string MaxPool(string name, string value) =>
        _builder.Node("MaxPool", name, [value], ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 1, 1, 1 }));

    /// <summary>A convolution without bias, padded to keep the size at stride 1, and a batch normalization.</summary>
    public string Normalized(string convolution, string normalization, string value, int inputChannels, int outputChannels, int kernel, int stride = 1)
    {
        long[] shape = [outputChannels, inputChannels, kernel, kernel];
        var fan = (fanOut ? outputChannels : inputChannels) * kernel * kernel;
        var weight = _builder.Parameter($"{convolution}.weight", torch.randn(shape, generator: _generator).mul_(Math.Sqrt(2.0 / fan)));
        var pad = kernel / 2;
        value = _builder.Node("Conv", convolution, [value, weight],
            ("kernel_shape", new long[] { kernel, kernel }), ("strides", new long[] { stride, stride }), ("pads", new long[] { pad, pad, pad, pad }));
        return _builder.Node("BatchNormalization", normalization,
        [
            value,
            _builder.Parameter($"{normalization}.weight", torch.ones(outputChannels)),
            _builder.Parameter($"{normalization}.bias", torch.zeros(outputChannels)),
            _builder.Parameter($"{normalization}.running_mean", torch.zeros(outputChannels), ParameterRole.Statistic),
            _builder.Parameter($"{normalization}.running_var", torch.ones(outputChannels), ParameterRole.Statistic),
        ]);
    }

    public string BasicBlock(string name, string value, int inputChannels, int outputChannels, int stride, string shortcut)
    {
        value = Relu($"{name}.relu1", Normalized($"{name}.conv1", $"{name}.bn1", value, inputChannels, outputChannels, 3, stride));
        value = Normalized($"{name}.conv2", $"{name}.bn2", value, outputChannels, outputChannels, 3);
        return Relu($"{name}.relu2", _builder.Node("Add", $"{name}.add", [value, shortcut]));
    }

    public string Bottleneck(string name, string value, int inputChannels, int innerChannels, int outputChannels, int stride, string shortcut)
    {
        value = Relu($"{name}.relu1", Normalized($"{name}.conv1", $"{name}.bn1", value, inputChannels, innerChannels, 1));
        value = Relu($"{name}.relu2", Normalized($"{name}.conv2", $"{name}.bn2", value, innerChannels, innerChannels, 3, stride));
        value = Normalized($"{name}.conv3", $"{name}.bn3", value, innerChannels, outputChannels, 1);
        return Relu($"{name}.relu3", _builder.Node("Add", $"{name}.add", [value, shortcut]));
    }

    /// <summary>Every second pixel, with channels of zeros added in equal numbers before and after.</summary>
    public string PaddedShortcut(string name, string value, int addedChannels)
    {
        value = _builder.Node("Slice", $"{name}.slice",
        [
            value,
            _builder.Constant($"{name}.starts", 0, 0),
            _builder.Constant($"{name}.ends", int.MaxValue, int.MaxValue),
            _builder.Constant($"{name}.axes", 2, 3),
            _builder.Constant($"{name}.steps", 2, 2),
        ]);
        var before = addedChannels / 2;
        return _builder.Node("Pad", $"{name}.pad", [value, _builder.Constant($"{name}.pads", 0, before, 0, 0, 0, addedChannels - before, 0, 0)]);
    }

    /// <summary>Global average pooling and a linear layer; finishes the network.</summary>
    public Network Classifier(string name, string value, int inputs, int classes)
    {
        value = _builder.Node("GlobalAveragePool", "avgpool", [value]);
        value = _builder.Node("Flatten", "flatten", [value], ("axis", 1));
        var bound = 1 / Math.Sqrt(inputs);
        var weight = _builder.Parameter($"{name}.weight", Uniform(bound, classes, inputs));
        var bias = _builder.Parameter($"{name}.bias", Uniform(bound, classes));
        _builder.Node("Gemm", "scores", [value, weight, bias], ("transB", 1));
        return _builder.Build(new GraphValue("scores", ElementType.Float32, [TensorShape.Dynamic, classes]));
    }

    public void Dispose()
    {
        _builder.Dispose();
        _generator.Dispose();
    }

    private torch.Tensor Uniform(double bound, params long[] shape) => torch.rand(shape, generator: _generator).mul_(2 * bound).sub_(bound);
}

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

    /// <summary>Checks what all architectures are given, and makes Torch ready.</summary>
    public static void CheckCommon(int classes, int inputSize, int smallestInput)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputSize, smallestInput);
        // Before the first scope, with which TorchSharp would load libtorch itself, and let its threads spin.
        TorchRuntime.EnsureLoaded();
    }

    public string Input(int size) => _builder.Input("input", TensorShape.Dynamic, 3, size, size);

    public string Relu(string name, string value) => _builder.Node("Relu", name, [value]);

    public string MaxPool(string name, string value) =>
        _builder.Node("MaxPool", name, [value], ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 1, 1, 1 }));

    public string Relu6(string name, string value) => _builder.Node("Clip", name,
    [
        value,
        _builder.Parameter($"{name}.least", torch.tensor(0f), ParameterRole.Constant),
        _builder.Parameter($"{name}.greatest", torch.tensor(6f), ParameterRole.Constant),
    ]);

    /// <summary>A convolution without bias, padded to keep the size at stride 1, and a batch normalization.</summary>
    public string Normalized(string convolution, string normalization, string value, int inputChannels, int outputChannels, int kernel, int stride = 1, int groups = 1)
    {
        long[] shape = [outputChannels, inputChannels / groups, kernel, kernel];
        var fan = (fanOut ? outputChannels : inputChannels) / groups * kernel * kernel;
        var weight = _builder.Parameter($"{convolution}.weight", torch.randn(shape, generator: _generator).mul_(Scalars.Keep(Math.Sqrt(2.0 / fan))));
        var pad = kernel / 2;
        (string, object)[] window = [("kernel_shape", new long[] { kernel, kernel }), ("strides", new long[] { stride, stride }), ("pads", new long[] { pad, pad, pad, pad })];
        value = _builder.Node("Conv", convolution, [value, weight], groups == 1 ? window : [.. window, ("group", (long)groups)]);
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

    /// <summary>An inverted residual (Sandler et al., CVPR 2018): expansion, depthwise convolution, and a projection without activation.</summary>
    public string InvertedResidual(string name, string value, int inputChannels, int outputChannels, int expansion, int stride)
    {
        var (input, channels, layer) = (value, inputChannels * expansion, 0);
        if (expansion != 1)
            value = Relu6($"{name}.{layer}.2", Normalized($"{name}.{layer}.0", $"{name}.{layer++}.1", value, inputChannels, channels, 1));
        value = Relu6($"{name}.{layer}.2", Normalized($"{name}.{layer}.0", $"{name}.{layer++}.1", value, channels, channels, 3, stride, channels));
        value = Normalized($"{name}.{layer}", $"{name}.{layer + 1}", value, channels, outputChannels, 1);
        return stride == 1 && inputChannels == outputChannels ? _builder.Node("Add", $"{name}.add", [input, value]) : value;
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

    private torch.Tensor Uniform(double bound, params long[] shape) => torch.rand(shape, generator: _generator).mul_(Scalars.Keep(2 * bound)).sub_(Scalars.Keep(bound));
}

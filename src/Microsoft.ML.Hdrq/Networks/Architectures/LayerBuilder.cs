using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// Builds layers with random weights for the architectures. Convolutions follow He et al., "Delving Deep into
/// Rectifiers" (ICCV 2015): normal with variance 2 / fan. A classifier's linear layer is uniform within 1 /
/// sqrt(inputs). Normalizations start as the identity.
/// </summary>
internal sealed class LayerBuilder(long seed, bool fanOut) : IDisposable
{
    private readonly NetworkBuilder _builder = new();
    private readonly torch.Generator _generator = new((ulong)seed);

    /// <summary>Checks the parameters that all architectures have, and loads Torch.</summary>
    public static void CheckCommon(int classes, int inputSize, int smallestInput)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputSize, smallestInput);
        // Must come before the first scope, where TorchSharp would load libtorch itself and let its threads spin.
        TorchRuntime.EnsureLoaded();
    }

    public string Input(int size) => Input(size, size);

    /// <summary>Declares input images of a height and width; null for any.</summary>
    public string Input(int? height, int? width) =>
        _builder.Input("input", TensorShape.Dynamic, 3, height ?? TensorShape.Dynamic, width ?? TensorShape.Dynamic);

    /// <summary>Takes over nodes of a network, with its input and copies of the parameters that they read.</summary>
    public void Take(Network network, GraphValue input, IReadOnlyList<GraphNode> nodes)
    {
        using var noGradients = torch.no_grad();
        _builder.Input(input.Name, input.ElementType, input.Shape);
        var read = nodes.SelectMany(node => node.Inputs).ToHashSet(StringComparer.Ordinal);
        foreach (var parameter in network.Graph.Parameters.Where(parameter => read.Contains(parameter.Name)))
        {
            var copy = network.Parameters[parameter.Name].detach().cpu().clone();
            _builder.Parameter(parameter.Name, copy, parameter.Role, parameter.ElementType);
        }
        foreach (var node in nodes)
            _builder.Node(node);
    }

    public string Relu(string name, string value) => _builder.Node("Relu", name, [value]);

    public string MaxPool(string name, string value) =>
        _builder.Node("MaxPool", name, [value],
            ("kernel_shape", new long[] { 3, 3 }),
            ("strides", new long[] { 2, 2 }),
            ("pads", new long[] { 1, 1, 1, 1 }));

    public string Relu6(string name, string value) => _builder.Node("Clip", name,
    [
        value,
        _builder.Parameter($"{name}.least", torch.tensor(0f), ParameterRole.Constant),
        _builder.Parameter($"{name}.greatest", torch.tensor(6f), ParameterRole.Constant),
    ]);

    /// <summary>A convolution without bias, padded to keep the size at stride 1, and a batch normalization.</summary>
    public string Normalized(
        string convolution, string normalization, string value, int inputChannels, int outputChannels,
        int kernel, int stride = 1, int groups = 1, int dilation = 1) =>
        Normalize(normalization,
            Convolution(convolution, value, inputChannels, outputChannels, kernel, stride, groups, dilation),
            outputChannels);

    /// <summary>A convolution, padded to keep the size at stride 1.</summary>
    public string Convolution(
        string name, string value, int inputChannels, int outputChannels, int kernel, int stride = 1, int groups = 1,
        int dilation = 1, bool hasBias = false)
    {
        long[] shape = [outputChannels, inputChannels / groups, kernel, kernel];
        var fan = (fanOut ? outputChannels : inputChannels) / groups * kernel * kernel;
        var weight = _builder.Parameter($"{name}.weight",
            torch.randn(shape, generator: _generator).mul_(Scalars.Keep(Math.Sqrt(2.0 / fan))));
        string[] inputs = hasBias
            ? [value, weight, _builder.Parameter($"{name}.bias", torch.zeros(outputChannels))]
            : [value, weight];
        var pad = kernel / 2 * dilation;
        var attributes = new List<(string, object)>
        {
            ("kernel_shape", new long[] { kernel, kernel }),
            ("strides", new long[] { stride, stride }),
            ("pads", new long[] { pad, pad, pad, pad }),
        };
        if (groups != 1)
            attributes.Add(("group", (long)groups));
        if (dilation != 1)
            attributes.Add(("dilations", new long[] { dilation, dilation }));
        return _builder.Node("Conv", name, inputs, [.. attributes]);
    }

    /// <summary>A convolution of adjacent windows that do not overlap, with a bias.</summary>
    public string Patches(string name, string value, int inputChannels, int outputChannels, int size)
    {
        var weight = _builder.Parameter($"{name}.weight",
            torch.randn([outputChannels, inputChannels, size, size], generator: _generator)
                .mul_(Scalars.Keep(Math.Sqrt(2.0 / (inputChannels * size * size)))));
        var bias = _builder.Parameter($"{name}.bias", torch.zeros(outputChannels));
        return _builder.Node("Conv", name, [value, weight, bias],
            ("kernel_shape", new long[] { size, size }), ("strides", new long[] { size, size }));
    }

    /// <summary>A batch normalization.</summary>
    public string Normalize(string normalization, string value, int outputChannels)
    {
        return _builder.Node("BatchNormalization", normalization,
        [
            value,
            _builder.Parameter($"{normalization}.weight", torch.ones(outputChannels)),
            _builder.Parameter($"{normalization}.bias", torch.zeros(outputChannels)),
            _builder.Parameter($"{normalization}.running_mean", torch.zeros(outputChannels), ParameterRole.Statistic),
            _builder.Parameter($"{normalization}.running_var", torch.ones(outputChannels), ParameterRole.Statistic),
        ]);
    }

    public string BasicBlock(
        string name, string value, int inputChannels, int outputChannels, int stride, string shortcut,
        int firstDilation = 1, int dilation = 1)
    {
        value = Relu($"{name}.relu1",
            Normalized($"{name}.conv1", $"{name}.bn1",
                value, inputChannels, outputChannels, 3, stride, dilation: firstDilation));
        value = Normalized(
            $"{name}.conv2", $"{name}.bn2", value, outputChannels, outputChannels, 3, dilation: dilation);
        return Relu($"{name}.relu2", _builder.Node("Add", $"{name}.add", [value, shortcut]));
    }

    public string Bottleneck(
        string name, string value, int inputChannels, int innerChannels, int outputChannels,
        int stride, string shortcut, int dilation = 1)
    {
        value = Relu($"{name}.relu1",
            Normalized($"{name}.conv1", $"{name}.bn1", value, inputChannels, innerChannels, 1));
        value = Relu($"{name}.relu2",
            Normalized($"{name}.conv2", $"{name}.bn2",
                value, innerChannels, innerChannels, 3, stride, dilation: dilation));
        value = Normalized($"{name}.conv3", $"{name}.bn3", value, innerChannels, outputChannels, 1);
        return Relu($"{name}.relu3", _builder.Node("Add", $"{name}.add", [value, shortcut]));
    }

    /// <summary>
    /// An inverted residual (Sandler et al., CVPR 2018): expansion, depthwise convolution, and a projection without
    /// activation.
    /// </summary>
    public string InvertedResidual(
        string name, string value, int inputChannels, int outputChannels, int expansion, int stride)
    {
        var (input, channels, layer) = (value, inputChannels * expansion, 0);
        if (expansion != 1)
        {
            value = Relu6($"{name}.{layer}.2",
                Normalized($"{name}.{layer}.0", $"{name}.{layer++}.1", value, inputChannels, channels, 1));
        }
        value = Relu6($"{name}.{layer}.2",
            Normalized($"{name}.{layer}.0", $"{name}.{layer++}.1", value, channels, channels, 3, stride, channels));
        value = Normalized($"{name}.{layer}", $"{name}.{layer + 1}", value, channels, outputChannels, 1);
        return stride == 1 && inputChannels == outputChannels
            ? _builder.Node("Add", $"{name}.add", [input, value])
            : value;
    }

    /// <summary>Takes every second pixel, and adds channels of zeros in equal numbers before and after.</summary>
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
        return _builder.Node("Pad", $"{name}.pad",
            [value, _builder.Constant($"{name}.pads", 0, before, 0, 0, 0, addedChannels - before, 0, 0)]);
    }

    /// <summary>Concatenates the outputs of several layers along the channels.</summary>
    public string Concatenate(string name, params string[] values) =>
        _builder.Node("Concat", name, values, ("axis", 1));

    /// <summary>The mean of each channel as an image of one pixel.</summary>
    public string GlobalAverage(string name, string value) => _builder.Node("GlobalAveragePool", name, [value]);

    /// <summary>
    /// Resizes images to the height and width of others, by bilinear interpolation between pixel centers.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="value">The images.</param>
    /// <param name="like">Images of the target height and width.</param>
    public string ResizeLike(string name, string value, string like)
    {
        var sizes = _builder.Node("Shape", $"{name}.size", [like], ("start", 2L));
        var channels = _builder.Node("Shape", $"{name}.channels", [value], ("start", 0L), ("end", 2L));
        var shape = _builder.Node("Concat", $"{name}.shape", [channels, sizes], ("axis", 0));
        return _builder.Node("Resize", name, [value, "", "", shape],
            ("mode", "linear"), ("coordinate_transformation_mode", "half_pixel"));
    }

    /// <summary>Images with their channels last: [N, C, H, W] to [N, H, W, C].</summary>
    public string ChannelsLast(string name, string value) =>
        _builder.Node("Transpose", name, [value], ("perm", new long[] { 0, 2, 3, 1 }));

    /// <summary>Images with their channels first again.</summary>
    public string ChannelsFirst(string name, string value) =>
        _builder.Node("Transpose", name, [value], ("perm", new long[] { 0, 3, 1, 2 }));

    /// <summary>
    /// The pixels of an image as tokens, [N, C, H, W] to [N, 1 + HW, C], after a class token and with learned positions
    /// added. Both are normal with standard deviation 0.02, as in the transformers library.
    /// </summary>
    public string Tokens(string name, string image, int channels, int pixels)
    {
        var first = _builder.Parameter($"{name}.cls_token", Normal(1, 1, channels));
        var positions = _builder.Parameter($"{name}.position_embeddings", Normal(1, pixels + 1, channels));
        var columns = _builder.Node(
            "Reshape", $"{name}.columns", [image, _builder.Constant($"{name}.sizes", 0, channels, -1)]);
        var tokens = _builder.Node("Transpose", $"{name}.tokens", [columns], ("perm", new long[] { 0, 2, 1 }));
        var images = _builder.Node("Shape", $"{name}.images", [image], ("start", 0L), ("end", 1L));
        var shape = _builder.Node(
            "Concat", $"{name}.first_shape", [images, _builder.Constant($"{name}.first_size", 1, channels)], ("axis", 0));
        var repeated = _builder.Node("Expand", $"{name}.first", [first, shape]);
        return Add(name, _builder.Node("Concat", $"{name}.joined", [repeated, tokens], ("axis", 1)), positions);

        torch.Tensor Normal(params long[] shape) => torch.randn(shape, generator: _generator).mul_(Scalars.Keep(0.02));
    }

    /// <summary>The class token, [N, T, C] to [N, C].</summary>
    public string FirstToken(string name, string tokens)
    {
        var first = _builder.Node("Gather", name, [tokens, _builder.Constant($"{name}.index", 0)], ("axis", 1L));
        return _builder.Node("Flatten", $"{name}.row", [first], ("axis", 1));
    }

    /// <summary>Layer normalization over the last dimension.</summary>
    public string LayerNormalize(string name, string value, int channels) =>
        _builder.Node("LayerNormalization", name,
        [
            value,
            _builder.Parameter($"{name}.weight", torch.ones(channels)),
            _builder.Parameter($"{name}.bias", torch.zeros(channels)),
        ], ("axis", -1L), ("epsilon", 1e-6f));

    /// <summary>
    /// A linear layer over the last dimension: a product with a weight of [inputs, outputs], and a bias. The weight is
    /// normal with standard deviation 0.02, as in the transformers library.
    /// </summary>
    public string Linear(string name, string value, int inputs, int outputs)
    {
        var weight = _builder.Parameter($"{name}.weight",
            torch.randn([inputs, outputs], generator: _generator).mul_(Scalars.Keep(0.02)));
        var bias = _builder.Parameter($"{name}.bias", torch.zeros(outputs));
        return _builder.Node("Add", $"{name}.add", [_builder.Node("MatMul", name, [value, weight]), bias]);
    }

    public string Gelu(string name, string value) => _builder.Node("Gelu", name, [value]);

    public string Add(string name, string value, string other) => _builder.Node("Add", name, [value, other]);

    /// <summary>Attention with the linear layers before and after it.</summary>
    /// <param name="name">The prefix of the names of queries, keys, values and attention.</param>
    /// <param name="output">The name of the layer after it.</param>
    /// <param name="value">What the queries are made of, [..., C].</param>
    /// <param name="source">What the keys and values are made of.</param>
    /// <param name="channels">C.</param>
    /// <param name="heads">The number of heads.</param>
    public string AttentionLayer(
        string name, string output, string value, string source, int channels, int heads)
    {
        var queries = Linear($"{name}.query", value, channels, channels);
        var keys = Linear($"{name}.key", source, channels, channels);
        var values = Linear($"{name}.value", source, channels, channels);
        return Linear(output, Attention(name, queries, keys, values, channels, heads), channels, channels);
    }

    /// <summary>
    /// Attention of each pixel of [N, H, W, C] to the pixels of another such image:
    /// <c>softmax(Q K^T / sqrt(C / heads)) V</c> for each head (Vaswani et al., NeurIPS 2017).
    /// </summary>
    /// <param name="name">The prefix of its nodes' names.</param>
    /// <param name="queries">The queries, [N, H, W, C].</param>
    /// <param name="keys">The keys.</param>
    /// <param name="values">The values, of the keys' shape.</param>
    /// <param name="channels">C.</param>
    /// <param name="heads">The number of heads.</param>
    private string Attention(string name, string queries, string keys, string values, int channels, int heads)
    {
        var query = Heads($"{name}.query_heads", queries, 0, 2, 1, 3);
        var key = Heads($"{name}.key_heads", keys, 0, 2, 3, 1);
        var value = Heads($"{name}.value_heads", values, 0, 2, 1, 3);
        var scale = _builder.Parameter($"{name}.scale",
            torch.tensor((float)(1 / Math.Sqrt(channels / heads))), ParameterRole.Constant);
        var scores = _builder.Node("Mul", $"{name}.scaled",
            [_builder.Node("MatMul", $"{name}.scores", [query, key]), scale]);
        var mixed = _builder.Node("MatMul", $"{name}.context",
            [_builder.Node("Softmax", $"{name}.softmax", [scores], ("axis", -1L)), value]);
        // Back to the shape of the queries, which is known only with the batch.
        var joined = _builder.Node("Transpose", $"{name}.joined", [mixed], ("perm", new long[] { 0, 2, 1, 3 }));
        return _builder.Node("Reshape", $"{name}.image", [joined, _builder.Node("Shape", $"{name}.shape", [queries])]);

        string Heads(string part, string image, params long[] order) =>
            _builder.Node("Transpose", part,
                [_builder.Node("Reshape", $"{part}.split",
                    [image, _builder.Constant($"{part}.sizes", 0, -1, heads, channels / heads)])],
                ("perm", order));
    }

    /// <summary>
    /// Resizes the scores of each class and pixel to the input's height and width; finishes the network.
    /// </summary>
    public Network Segmenter(string value, string input, int? height, int? width, int classes)
    {
        var scores = ResizeLike(_builder.FreshName("scores"), value, input);
        return _builder.Build(new GraphValue(scores, ElementType.Float32,
            [TensorShape.Dynamic, classes, height ?? TensorShape.Dynamic, width ?? TensorShape.Dynamic]));
    }

    /// <summary>Global average pooling and a linear layer; finishes the network.</summary>
    /// <inheritdoc cref="RowClassifier" path="/param"/>
    public Network Classifier(string name, string value, int inputs, int classes, double? deviation = null)
    {
        value = _builder.Node("GlobalAveragePool", _builder.FreshName("avgpool"), [value]);
        value = _builder.Node("Flatten", _builder.FreshName("flatten"), [value], ("axis", 1));
        return RowClassifier(name, value, inputs, classes, deviation);
    }

    /// <summary>A linear layer on rows; finishes the network.</summary>
    /// <param name="name">The prefix of its parameters' names.</param>
    /// <param name="value">The rows.</param>
    /// <param name="inputs">Their length.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="deviation">
    /// The deviation of normal weights, without bias; null for uniform ones within 1 / sqrt(inputs).
    /// </param>
    public Network RowClassifier(string name, string value, int inputs, int classes, double? deviation = null)
    {
        var bound = 1 / Math.Sqrt(inputs);
        var weight = _builder.Parameter(
            _builder.FreshName($"{name}.weight"),
            deviation is { } size
                ? torch.randn([classes, inputs], generator: _generator).mul_(Scalars.Keep(size))
                : Uniform(bound, classes, inputs));
        var bias = _builder.Parameter(
            _builder.FreshName($"{name}.bias"), deviation is null ? Uniform(bound, classes) : torch.zeros(classes));
        var scores = _builder.Node("Gemm", _builder.FreshName("scores"), [value, weight, bias], ("transB", 1));
        return _builder.Build(new GraphValue(scores, ElementType.Float32, [TensorShape.Dynamic, classes]));
    }

    public void Dispose()
    {
        _builder.Dispose();
        _generator.Dispose();
    }

    private torch.Tensor Uniform(double bound, params long[] shape) =>
        torch.rand(shape, generator: _generator).mul_(Scalars.Keep(2 * bound)).sub_(Scalars.Keep(bound));
}

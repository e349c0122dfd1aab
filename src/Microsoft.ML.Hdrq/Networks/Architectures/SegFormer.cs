using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// SegFormer of Xie, Wang, Yu, Anandkumar, Alvarez and Luo, "SegFormer: Simple and Efficient Design for Semantic
/// Segmentation with Transformers" (NeurIPS 2021, arXiv 2105.15203), with random weights: a hierarchical transformer
/// encoder (MiT) and a head of linear layers. Parameters have the names of the transformers library
/// (<c>segformer.encoder.patch_embeddings.0.proj.weight</c>, ..., <c>decode_head.classifier.bias</c>); weights of
/// linear layers are transposed in comparison: [inputs, outputs]. There is no dropout and no stochastic depth. Input
/// <c>input</c>: [N, 3, height, width]; output <c>scores</c>: [N, classes, height, width], unnormalized, resized to the
/// input's size by bilinear interpolation.
/// </summary>
public static class SegFormer
{
    private const int MlpRatio = 4;

    /// <summary>Heads, and strides of the keys and values, of each stage: table 6 of the paper.</summary>
    private static readonly (int Heads, int Reduction)[] _stages = [(1, 8), (2, 4), (5, 2), (8, 1)];

    /// <summary>Creates the network.</summary>
    /// <param name="encoder">The encoder: 0 to 5 for MiT-B0 to MiT-B5.</param>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="inputHeight">The height of the images, at least 32; null, the default, for any.</param>
    /// <param name="inputWidth">The width of the images, at least 32; null, the default, for any.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static Network Create(int encoder, int classes, long seed, int? inputHeight = null, int? inputWidth = null)
    {
        int[] depths = encoder switch
        {
            0 or 1 => [2, 2, 2, 2],
            2 => [3, 4, 6, 3],
            3 => [3, 4, 18, 3],
            4 => [3, 8, 27, 3],
            5 => [3, 6, 40, 3],
            _ => throw new ArgumentOutOfRangeException(
                nameof(encoder), encoder, "The encoder must be 0 to 5, for MiT-B0 to MiT-B5."),
        };
        LayerBuilder.CheckCommon(classes, Math.Min(inputHeight ?? 32, inputWidth ?? 32), 32);
        using var scope = torch.NewDisposeScope();
        using var layers = new LayerBuilder(seed, fanOut: true);
        int[] channels = encoder == 0 ? [32, 64, 160, 256] : [64, 128, 320, 512];
        var headChannels = encoder <= 1 ? 256 : 768;
        var input = layers.Input(inputHeight, inputWidth);
        var (image, inputChannels) = (input, 3);
        var stages = new List<string>();
        for (var stage = 0; stage < channels.Length; stage++)
        {
            image = Stage(layers, stage, image, inputChannels, channels[stage], depths[stage]);
            inputChannels = channels[stage];
            stages.Add(image);
        }

        // All stages at the first stage's size, the last stage first.
        var joined = new List<string>();
        for (var stage = channels.Length - 1; stage >= 0; stage--)
        {
            var name = $"decode_head.linear_c.{stage}";
            var value = layers.ChannelsFirst($"{name}.image",
                layers.Linear($"{name}.proj", layers.ChannelsLast($"{name}.pixels", stages[stage]),
                    channels[stage], headChannels));
            joined.Add(stage == 0 ? value : layers.ResizeLike($"{name}.resize", value, stages[0]));
        }
        var head = layers.Concatenate("decode_head.concat", [.. joined]);
        head = layers.Relu("decode_head.activation",
            layers.Normalized("decode_head.linear_fuse", "decode_head.batch_norm",
                head, joined.Count * headChannels, headChannels, 1));
        head = layers.Convolution("decode_head.classifier", head, headChannels, classes, 1, hasBias: true);
        return layers.Segmenter(head, input, inputHeight, inputWidth, classes);
    }

    /// <summary>
    /// A stage: overlapping patches, transformer blocks, a normalization. Returns an image with its channels first.
    /// </summary>
    private static string Stage(
        LayerBuilder layers, int stage, string image, int inputChannels, int channels, int depth)
    {
        var patches = $"segformer.encoder.patch_embeddings.{stage}";
        var value = stage == 0
            ? layers.Convolution($"{patches}.proj", image, inputChannels, channels, 7, 4, hasBias: true)
            : layers.Convolution($"{patches}.proj", image, inputChannels, channels, 3, 2, hasBias: true);
        value = layers.LayerNormalize(
            $"{patches}.layer_norm", layers.ChannelsLast($"{patches}.pixels", value), channels);
        for (var block = 0; block < depth; block++)
        {
            value = TransformerBlock(
                layers, $"segformer.encoder.block.{stage}.{block}", value, channels,
                _stages[stage].Heads, _stages[stage].Reduction);
        }
        var name = $"segformer.encoder.layer_norm.{stage}";
        return layers.ChannelsFirst($"{name}.image", layers.LayerNormalize(name, value, channels));
    }

    /// <summary>
    /// Efficient self-attention and a Mix-FFN, each with its shortcut, on [N, H, W, C] (section 3.1 of the paper).
    /// </summary>
    private static string TransformerBlock(
        LayerBuilder layers, string name, string value, int channels, int heads, int reduction)
    {
        var attention = $"{name}.attention.self";
        var normalized = layers.LayerNormalize($"{name}.layer_norm_1", value, channels);
        var source = normalized;
        if (reduction > 1)
        {
            source = layers.ChannelsFirst($"{attention}.sr.image", normalized);
            // Windows that do not overlap, so there is no padding.
            source = layers.Patches($"{attention}.sr", source, channels, channels, reduction);
            source = layers.LayerNormalize(
                $"{attention}.layer_norm", layers.ChannelsLast($"{attention}.sr.pixels", source), channels);
        }
        var mixed = layers.AttentionLayer(
            attention, $"{name}.attention.output.dense", normalized, source, channels, heads);
        value = layers.Add($"{name}.attention.add", mixed, value);

        var mlp = layers.Linear($"{name}.mlp.dense1",
            layers.LayerNormalize($"{name}.layer_norm_2", value, channels), channels, MlpRatio * channels);
        mlp = layers.Convolution($"{name}.mlp.dwconv.dwconv", layers.ChannelsFirst($"{name}.mlp.image", mlp),
            MlpRatio * channels, MlpRatio * channels, 3, groups: MlpRatio * channels, hasBias: true);
        mlp = layers.Gelu($"{name}.mlp.gelu", layers.ChannelsLast($"{name}.mlp.pixels", mlp));
        mlp = layers.Linear($"{name}.mlp.dense2", mlp, MlpRatio * channels, channels);
        return layers.Add($"{name}.mlp.add", mlp, value);
    }
}

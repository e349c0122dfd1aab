using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Architectures;

/// <summary>
/// The vision transformer of Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at
/// Scale" (ICLR 2021, arXiv 2010.11929), with random weights: patches as tokens, a class token, learned positions, and
/// blocks that normalize first. Parameters have the names of the transformers library
/// (<c>vit.embeddings.cls_token</c>, ..., <c>classifier.bias</c>); weights of linear layers but the classifier are
/// transposed in comparison: [inputs, outputs]. There is no dropout. Input <c>input</c>: [N, 3, size, size]; output
/// <c>scores</c>: [N, classes], unnormalized.
/// </summary>
public static class VisionTransformer
{
    private const int MlpRatio = 4;

    /// <summary>Creates the network. Table 1 of the paper: ViT-B has 12 layers, 768 channels and 12 heads.</summary>
    /// <param name="layers">The number of transformer blocks, at least 1.</param>
    /// <param name="channels">The length of a token, a multiple of the number of heads.</param>
    /// <param name="heads">The number of heads of each attention, at least 1.</param>
    /// <param name="classes">The number of classes, at least 1.</param>
    /// <param name="seed">The seed of the weights: the same seed gives the same network.</param>
    /// <param name="patchSize">Height and width of a patch, at least 1; 16 by default.</param>
    /// <param name="inputSize">Height and width of the images, a multiple of the patches'; 224 by default.</param>
    /// <returns>The network, on the CPU, owned by the caller.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    /// <exception cref="ArgumentException">
    /// The channels are no multiple of the heads, or the images none of the patches.
    /// </exception>
    public static Network Create(
        int layers, int channels, int heads, int classes, long seed, int patchSize = 16, int inputSize = 224)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, heads);
        ArgumentOutOfRangeException.ThrowIfLessThan(patchSize, 1);
        if (channels % heads != 0)
        {
            throw new ArgumentException(
                $"{channels} channels cannot be shared out among {heads} heads.", nameof(channels));
        }
        LayerBuilder.CheckCommon(classes, inputSize, patchSize);
        if (inputSize % patchSize != 0)
        {
            throw new ArgumentException(
                $"Images of {inputSize} x {inputSize} pixels do not divide into patches of {patchSize} x {patchSize}.",
                nameof(inputSize));
        }
        using var scope = torch.NewDisposeScope();
        using var builder = new LayerBuilder(seed, fanOut: false);
        var tokens = builder.Patches("vit.embeddings.patch_embeddings.projection",
            builder.Input(inputSize), 3, channels, patchSize);
        tokens = builder.Tokens("vit.embeddings", tokens, channels, inputSize / patchSize * (inputSize / patchSize));
        for (var layer = 0; layer < layers; layer++)
            tokens = Block(builder, $"vit.encoder.layer.{layer}", tokens, channels, heads);
        tokens = builder.LayerNormalize("vit.layernorm", tokens, channels);
        return builder.RowClassifier("classifier", builder.FirstToken("vit.class", tokens), channels, classes);
    }

    /// <summary>Attention and a perceptron, each with its shortcut (equations 2 and 3 of the paper).</summary>
    private static string Block(LayerBuilder builder, string name, string tokens, int channels, int heads)
    {
        var normalized = builder.LayerNormalize($"{name}.layernorm_before", tokens, channels);
        var mixed = builder.AttentionLayer(
            $"{name}.attention.attention", $"{name}.attention.output.dense", normalized, normalized, channels, heads);
        tokens = builder.Add($"{name}.attention.add", mixed, tokens);

        var mlp = builder.Linear($"{name}.intermediate.dense",
            builder.LayerNormalize($"{name}.layernorm_after", tokens, channels), channels, MlpRatio * channels);
        mlp = builder.Linear(
            $"{name}.output.dense", builder.Gelu($"{name}.gelu", mlp), MlpRatio * channels, channels);
        return builder.Add($"{name}.mlp.add", mlp, tokens);
    }
}

using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>
/// A network put together node by node: two convolutions, pooling and a linear layer, [N, 3, 8, 8] to [N, 2].
/// </summary>
internal static class SmallClassifier
{
    public const int Channels = 3;
    public const int Size = 8;
    public const int Classes = 2;

    public static Network Create(long seed)
    {
        using var scope = torch.NewDisposeScope();
        using var builder = new NetworkBuilder();
        var random = new torch.Generator((ulong)seed);
        builder.Input("image", -1, Channels, Size, Size);
        builder.Parameter("first.weight", torch.randn([8, Channels, 3, 3], generator: random).mul(0.2));
        builder.Parameter("first.bias", torch.randn([8], generator: random).mul(0.1));
        builder.Parameter("second.weight", torch.randn([8, 8, 3, 3], generator: random).mul(0.1));
        builder.Parameter("linear.weight", torch.randn([Classes, 8], generator: random).mul(0.5));
        builder.Parameter("linear.bias", torch.randn([Classes], generator: random).mul(0.1));
        builder.Node("Conv", "first", ["image", "first.weight", "first.bias"], ("kernel_shape", new long[] { 3, 3 }),
            ("pads", new long[] { 1, 1, 1, 1 }));
        builder.Node("Relu", "relu", ["first"]);
        builder.Node("Conv", "second", ["relu", "second.weight"], ("kernel_shape", new long[] { 3, 3 }),
            ("pads", new long[] { 1, 1, 1, 1 }));
        builder.Node("Relu", "relu2", ["second"]);
        builder.Node("GlobalAveragePool", "pool", ["relu2"]);
        builder.Node("Flatten", "flat", ["pool"]);
        builder.Node("Gemm", "scores", ["flat", "linear.weight", "linear.bias"], ("transB", 1L));
        return builder.Build(new GraphValue("scores", ElementType.Float32, [-1, Classes]));
    }
}

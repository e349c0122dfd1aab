using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Networks;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Analysis;

/// <summary>Networks whose losses can be worked out by hand.</summary>
internal static class AnalyticNetworks
{
    /// <summary>Scores <c>W x</c>, without a bias.</summary>
    public static Network Linear(torch.Tensor weight)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, weight.shape[1]);
        builder.Node("Gemm", "y", ["x", builder.Parameter("weight", weight.clone())], ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, weight.shape[0]]));
    }

    /// <summary>
    /// Scores <c>(a b x, -a b x)</c> of one number x: (a, b) and (-a, -b) compute the same, and (0, 0) between them
    /// nothing.
    /// </summary>
    public static Network Product(float a, float b)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, 1);
        builder.Node("Gemm", "hidden", ["x", builder.Parameter("a", torch.tensor(new float[,] { { a } }))], ("transB", 1L));
        builder.Node("Gemm", "y", ["hidden", builder.Parameter("b", torch.tensor(new float[,] { { b }, { -b } }))],
            ("transB", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }

    /// <summary>
    /// Scores <c>(-tanh(w x), 0)</c>, whose cross-entropy with class 0 is concave in w where w x is large.
    /// </summary>
    public static Network Concave(params float[] weights)
    {
        using var builder = new NetworkBuilder();
        builder.Input("x", -1, weights.Length);
        builder.Node("Gemm", "sum", ["x", builder.Parameter("weight", torch.tensor(weights).reshape(1, -1))],
            ("transB", 1L));
        builder.Node("Tanh", "tanh", ["sum"]);
        builder.Node("Neg", "negative", ["tanh"]);
        builder.Node("Sub", "zero", ["tanh", "tanh"]);
        builder.Node("Concat", "y", ["negative", "zero"], ("axis", 1L));
        return builder.Build(new GraphValue("y", ElementType.Float32, [-1, 2]));
    }

    /// <summary>Images as rows, all of class 0.</summary>
    public static Evaluation Rows(float[,] rows, int batchSize = 64) =>
        new(torch.tensor(rows), torch.zeros(rows.GetLength(0), torch.int64), batchSize);
}

using System.Collections.Frozen;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>All operators there are: one line each.</summary>
internal static class OperatorTable
{
    public static readonly FrozenDictionary<string, OperatorDefinition> Definitions = new Dictionary<string, OperatorDefinition>(StringComparer.Ordinal)
    {
        // Layers with weights
        ["Conv"] = new((type, attributes) => new Convolution(type, attributes)) { MinInputs = 2, MaxInputs = 3, WeightInputs = [1, 2] },
        ["Gemm"] = new((type, attributes) => new Gemm(type, attributes)) { MinInputs = 2, MaxInputs = 3, WeightInputs = [1, 2] },
        ["MatMul"] = new((type, attributes) => new MatMul(type, attributes)) { MinInputs = 2, MaxInputs = 2, WeightInputs = [0, 1] },

        // Normalization
        ["BatchNormalization"] = new((type, attributes) => new BatchNormalization(type, attributes)) { MinInputs = 5, MaxInputs = 5, WeightInputs = [1, 2], StatisticInputs = [3, 4] },

        // Elementwise, one input
        ["Relu"] = Unary(x => x.relu()),
        ["Identity"] = Unary(x => x.alias()),

        // Elementwise, two inputs with broadcasting
        ["Add"] = Binary((a, b) => a.add(b)),
        ["Sub"] = Binary((a, b) => a.sub(b)),
        ["Mul"] = Binary((a, b) => a.mul(b)),

        // Pooling
        ["AveragePool"] = new((type, attributes) => new AveragePooling(type, attributes)),
        ["MaxPool"] = new((type, attributes) => new MaxPooling(type, attributes)),

        // Shapes
        ["Reshape"] = new((type, attributes) => new Reshape(type, attributes)) { MinInputs = 2, MaxInputs = 2, Foldable = true },
        ["Shape"] = new((type, attributes) => new Shape(type, attributes)) { Foldable = true },
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static OperatorDefinition Unary(Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor> function) =>
        new((type, attributes) => new Unary(type, attributes, function)) { Foldable = true };

    private static OperatorDefinition Binary(Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor, TorchSharp.torch.Tensor> function) =>
        new((type, attributes) => new Binary(type, attributes, function)) { MinInputs = 2, MaxInputs = 2, Foldable = true };
}

using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// A layer that is merged as a matrix product: its weight as a matrix W, [outputs, inputs], and the bias that goes with
/// it.
/// </summary>
/// <param name="layer">The layer, one of <see cref="GraphLayers.MatrixProducts"/>.</param>
/// <param name="graph">The graph.</param>
/// <param name="parameters">The weights and biases that are merged.</param>
internal sealed class MergedLayer(Layer layer, Graph graph, IEnumerable<ParameterDefinition> parameters)
{
    // Only matrices can have their outputs along another axis than the first.
    private readonly bool _isTransposed = layer.OutputAxis != 0;

    public Layer Layer => layer;

    /// <summary>The weight.</summary>
    public ParameterDefinition Weight => layer.Parameter!;

    public long Outputs => Weight.Shape[layer.OutputAxis];

    public long Inputs => layer.InputSize;

    /// <summary>The bias, if it is the layer's own and merged; null else.</summary>
    public ParameterDefinition? Bias { get; } =
        layer is { Bias: { } name, Operator: { ProductFactor: 1, BiasFactor: 1 } }
            && graph.Flow.Readers(name).Count() == 1
            ? parameters.FirstOrDefault(parameter => parameter.Name == name
                && TensorShape.ElementCount(parameter.Shape) == layer.Parameter!.Shape[layer.OutputAxis])
            : null;

    /// <summary>The matrix of a weight's values, which are in the weight's own row-major order.</summary>
    public torch.Tensor Matrix(double[] values) => _isTransposed
        ? torch.tensor(values).reshape(Inputs, Outputs).t().contiguous()
        : torch.tensor(values).reshape(Outputs, Inputs);

    /// <summary>A target for the weight and its bias.</summary>
    /// <param name="matrix">The wanted W.</param>
    /// <param name="inputMean">The mean of the inputs, m, [inputs]; lives as long as the target.</param>
    /// <param name="outputMean">The wanted mean of the outputs, [outputs]; lives as long as the target.</param>
    /// <param name="round">Rounds the output channels of a quantized weight.</param>
    /// <returns>
    /// The target: whatever the weight becomes by rounding, the bias gives the outputs their mean,
    /// <c>b = mean - W m</c>.
    /// </returns>
    public MergeTarget Target(
        torch.Tensor matrix, torch.Tensor inputMean, torch.Tensor outputMean, Func<MergedWeight, int[]> round) =>
        new((_isTransposed ? matrix.t() : matrix).contiguous().data<double>().ToArray())
        {
            // With scales along another axis than that of the outputs, one output has no steps of its own.
            Round = (merged, axis) => axis == layer.OutputAxis ? round(merged) : merged.Nearest(),
            Bias = Bias is null ? null : new(Bias.Name, weight =>
            {
                using var scope = torch.NewDisposeScope();
                return outputMean.sub(Matrix(weight).mv(inputMean)).data<double>().ToArray();
            }),
        };
}

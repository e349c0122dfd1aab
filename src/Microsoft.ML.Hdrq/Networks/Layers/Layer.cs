using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// A layer of a graph: a node that multiplies data by a weight of its own, in full precision or quantized.
/// </summary>
/// <param name="Node">Its node.</param>
/// <param name="Operator">Its operator.</param>
/// <param name="Weight">The name of its weight before quantization: a parameter or, rarely, a value that is computed
/// from parameters.</param>
/// <param name="Parameter">The weight's definition; null where the weight is not a floating-point parameter.</param>
/// <param name="WeightQuantizer">The quantizer of the weight; null where there is none.</param>
/// <param name="InputQuantizer">The quantizer of the layer's input, perhaps before nodes that move its elements; null
/// where there is none.</param>
internal sealed record Layer(
    GraphNode Node, LayerOperator Operator, string Weight, ParameterDefinition? Parameter,
    Quantizer? WeightQuantizer, Quantizer? InputQuantizer)
{
    /// <summary>Its name in the graph.</summary>
    public string Name => Node.Name;

    /// <summary>The name of the value that it multiplies by its weight.</summary>
    public string Input => Node.Inputs[LayerOperator.DataInput];

    /// <summary>
    /// The name of the value that it reads as its weight: the weight, or the output of the weight's quantizer.
    /// </summary>
    public string WeightInput => Node.Inputs[LayerOperator.WeightInput];

    /// <summary>The name of its bias; null where it has none.</summary>
    public string? Bias =>
        Node.Inputs.Length > LayerOperator.BiasInput && Node.Inputs[LayerOperator.BiasInput] is { Length: > 0 } bias
            ? bias
            : null;

    /// <summary>The name of its output.</summary>
    public string Output => Node.Outputs[0];

    /// <summary>The bits of the weight; null where it is not quantized.</summary>
    public int? WeightBits => WeightQuantizer?.Operator.Range.Bits;

    /// <summary>The bits of the input; null where it is not quantized.</summary>
    public int? ActivationBits => InputQuantizer?.Operator.Range.Bits;

    /// <summary>The axis of the output channels in the weight, which is a parameter.</summary>
    public int OutputAxis => Operator.OutputAxis(Parameter!.Shape.Length);

    /// <summary>
    /// Whether each output position is the weight (a parameter, as one matrix) times the inputs of that position, so
    /// that its inputs have a Gram matrix.
    /// </summary>
    public bool IsMatrixProduct => Parameter is not null && Operator.IsMatrixProduct(Parameter.Shape.Length);

    /// <summary>
    /// The number of inputs of each output channel at one output position, where the layer is a matrix product.
    /// </summary>
    public long InputSize
    {
        get
        {
            var size = 1L;
            for (var axis = 0; axis < Parameter!.Shape.Length; axis++)
                size *= axis == OutputAxis ? 1 : Parameter.Shape[axis];
            return size;
        }
    }

    /// <summary>The number of elements of the weight.</summary>
    public long Count(Network network) => network.Parameters[Weight].numel();

    /// <summary>
    /// The weight that the layer computes with, rounded to its grid where it is quantized: a new tensor without
    /// gradients.
    /// </summary>
    public torch.Tensor Value(Network network)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var value = TrainedValue(network);
        return (WeightQuantizer is null ? value.detach().clone() : value).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The weight that the layer computes with, as <see cref="Value"/>, but gradients pass, past rounding too: it may be
    /// the parameter itself.
    /// </summary>
    public torch.Tensor TrainedValue(Network network)
    {
        var weight = network.Parameters[Weight];
        if (WeightQuantizer is not { } quantizer)
            return weight;
        var scale = quantizer.Operator.Spread(network.Parameters[quantizer.Scale], weight);
        return NearestRounding.Instance.Apply(weight, scale, quantizer.Operator.Range);
    }
}

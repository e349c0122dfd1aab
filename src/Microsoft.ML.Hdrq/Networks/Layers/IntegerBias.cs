using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// The bias of a layer whose input and weight are quantized. Integer hardware adds it to sums of products of integers,
/// as an integer in steps of the input's scale times the weight's scale.
/// </summary>
/// <param name="Layer">The layer.</param>
/// <param name="Bias">The name of the bias.</param>
/// <param name="InputScale">The name of the input's scale, a single float.</param>
/// <param name="WeightScale">The name of the weight's scale or scales.</param>
internal sealed record IntegerBias(GraphNode Layer, string Bias, string InputScale, string WeightScale)
{
    // Up to here, k times a step, divided by the step, rounds to k again in single precision, and sums have room left
    // in 32 bits.
    private const double Largest = 1 << 22;

    /// <summary>Finds the biases of a graph that can be integers.</summary>
    public static IReadOnlyList<IntegerBias> Find(Graph graph)
    {
        var parameters = graph.Parameters
            .Where(parameter => parameter is { Role: ParameterRole.Weight, ElementType: ElementType.Float32 })
            .ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        return [.. graph.Layers.All.Select(OfLayer).OfType<IntegerBias>()];

        IntegerBias? OfLayer(Layer layer)
        {
            if (layer is not
                {
                    Operator: { HasIntegerKernel: true, ProductFactor: 1, BiasFactor: 1 },
                    InputQuantizer: { Operator.Axis: null } input,
                    WeightQuantizer: { } weight,
                    Bias: { } name
                }
                || !parameters.TryGetValue(name, out var bias)
                || bias.Shape.Length != 1
                || graph.Flow.Readers(name).Count() != 1)
            {
                return null;
            }
            if (!parameters.TryGetValue(input.Scale, out var inputScale)
                || TensorShape.ElementCount(inputScale.Shape) != 1
                || !parameters.ContainsKey(layer.Weight)
                || !parameters.TryGetValue(weight.Scale, out var scale))
            {
                return null;
            }
            var fits = weight.Operator.Axis is { } axis
                ? HostValues.Axis(axis, layer.Parameter!.Shape.Length) == layer.OutputAxis
                    && scale.Shape.SequenceEqual(bias.Shape)
                : TensorShape.ElementCount(scale.Shape) == 1;
            return fits ? new IntegerBias(layer.Node, name, inputScale.Name, scale.Name) : null;
        }
    }

    /// <summary>The steps: one, or one per output channel.</summary>
    public torch.Tensor Step(IReadOnlyDictionary<string, torch.Tensor> parameters)
    {
        var scale = parameters[WeightScale].detach();
        // A single scale may come as a list of one element, which is not a list of per-channel scales.
        return parameters[InputScale].detach().reshape([]).mul(scale.numel() == 1 ? scale.reshape([]) : scale);
    }

    /// <summary>
    /// The bias as integers, a new tensor; null where the bias is not exactly a whole number of steps.
    /// </summary>
    public torch.Tensor? Integers(IReadOnlyDictionary<string, torch.Tensor> parameters)
    {
        using var scope = torch.NewDisposeScope();
        var (bias, step) = (parameters[Bias].detach(), Step(parameters));
        var integers = Nearest(bias, step);
        var isExact = integers.abs().le(Scalars.Keep(2 * Largest)).all().item<bool>()
            && Floats(integers, step).eq(bias).all().item<bool>();
        return isExact ? integers.to(torch.ScalarType.Int32).MoveToOuterDisposeScope() : null;
    }

    /// <summary>
    /// Rounds the bias to its integers. Where the weights are so small that there would be too many steps, their scale
    /// becomes larger: compared with such a bias, the weights are negligible.
    /// </summary>
    public void Round(IReadOnlyDictionary<string, torch.Tensor> parameters)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (bias, scale) = (parameters[Bias], parameters[WeightScale]);
        var magnitude = scale.numel() == 1 ? bias.abs().max().reshape(scale.shape) : bias.abs();
        scale.copy_(scale.maximum(magnitude.div(parameters[InputScale].reshape([])).div(Scalars.Keep(Largest))));
        RoundAtScale(parameters);
    }

    /// <summary>Rounds the bias to its integers, and leaves the weights' scale as it is.</summary>
    public void RoundAtScale(IReadOnlyDictionary<string, torch.Tensor> parameters)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var (bias, step) = (parameters[Bias], Step(parameters));
        bias.copy_(Floats(Nearest(bias, step), step));
    }

    /// <summary>For each element of a bias, whether it has so few steps that sums have room left.</summary>
    /// <param name="bias">The bias, as it may become.</param>
    /// <param name="weightScale">The weight's scale or scales, as they may become.</param>
    /// <param name="parameters">The parameters, with the input's scale.</param>
    public torch.Tensor Fits(
        torch.Tensor bias, torch.Tensor weightScale, IReadOnlyDictionary<string, torch.Tensor> parameters) =>
        bias.abs().le(
            parameters[InputScale].detach().reshape([]).mul(weightScale.reshape(-1)).mul(Scalars.Keep(Largest)));

    // Adding zero turns negative zeros into positive ones: integers have no negative zero.
    private static torch.Tensor Nearest(torch.Tensor bias, torch.Tensor step) =>
        bias.to(torch.ScalarType.Float64).div(step.to(torch.ScalarType.Float64))
            .round()
            .add(Scalars.Keep(0.0), Scalars.One);

    private static torch.Tensor Floats(torch.Tensor integers, torch.Tensor step) =>
        integers.to(torch.ScalarType.Float32).mul(step);
}

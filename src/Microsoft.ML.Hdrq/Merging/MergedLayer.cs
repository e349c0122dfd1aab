using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// A layer that is merged as a matrix product, with the batch normalization after it, which only scales and shifts its
/// outputs: together they are one matrix W, [outputs, inputs], and one bias.
/// </summary>
internal sealed class MergedLayer
{
    /// <summary>
    /// The smallest factor of a normalization by which weights are divided, relative to the largest: a channel that
    /// none of the networks uses stays what it is.
    /// </summary>
    private const double MinFactor = 1e-6;

    /// <summary>How exact solutions are taken to be, 2^-36, while a weight has 24 bits in single precision.</summary>
    private const double Exactness = 1.0 / (1L << 36);

    private readonly Layer _layer;
    private readonly GraphNode? _normalization;

    /// <summary>Looks at a layer.</summary>
    /// <param name="layer">The layer, one of <see cref="GraphLayers.MatrixProducts"/>.</param>
    /// <param name="graph">The graph.</param>
    public MergedLayer(Layer layer, Graph graph)
    {
        _layer = layer;
        var (outputs, flow) = (layer.Parameter!.Shape[layer.OutputAxis], graph.Flow);
        var parameters = MergeInput.WeightsOf(graph);
        if (layer.Operator is not { ProductFactor: 1, BiasFactor: 1 })
            return;
        if (layer.Operator is Convolution
            && graph.Outputs.All(output => output.Name != layer.Output)
            && flow.Readers(layer.Output).ToList() is [{ Operator: BatchNormalization } node]
            && node.Inputs[0] == layer.Output
            && Own(node.Inputs[2]) is { } shift
            && new[] { 1, 3, 4 }.All(input => IsMerged(node.Inputs[input]))
            && (layer.Bias is null || IsMerged(layer.Bias)))
        {
            (_normalization, Bias) = (node, shift);
        }
        else if (layer.Bias is { } name)
        {
            Bias = Own(name);
        }

        ParameterDefinition? Own(string name) => flow.Readers(name).Count() == 1
            ? parameters.FirstOrDefault(parameter => parameter.Name == name
                && TensorShape.ElementCount(parameter.Shape) == outputs)
            : null;

        bool IsMerged(string name) => graph.Parameters.Any(parameter => parameter.Name == name
            && TensorShape.ElementCount(parameter.Shape) == outputs && !MergeSource.IsConstant(parameter));
    }

    /// <summary>The weight.</summary>
    public ParameterDefinition Weight => _layer.Parameter!;

    public long Outputs => Weight.Shape[_layer.OutputAxis];

    public long Inputs => _layer.InputSize;

    /// <summary>The node whose output is that of the product.</summary>
    public GraphNode Last => _normalization ?? _layer.Node;

    /// <summary>
    /// The bias, if it is the layer's own and merged: that of the normalization, if there is one; null else.
    /// </summary>
    public ParameterDefinition? Bias { get; }

    /// <summary>The matrix and the bias of a network, in double precision.</summary>
    /// <param name="network">The network.</param>
    public (torch.Tensor Matrix, torch.Tensor Bias) Of(MergeSource network) => Of(network.ExactTensor);

    /// <summary>The matrix and the bias that a network holds, in double precision.</summary>
    /// <param name="network">The network, with quantized weights on their grid.</param>
    public (torch.Tensor Matrix, torch.Tensor Bias) Held(Network network) =>
        Of(name => network.Parameters[name].detach().cpu().to(torch.ScalarType.Float64));

    /// <summary>
    /// The matrix and the bias that a network computes with; gradients pass. A quantized weight moves with its integers
    /// and its scale, and not with what is rounded away.
    /// </summary>
    /// <param name="network">The network.</param>
    public (torch.Tensor Matrix, torch.Tensor Bias) Of(Network network) =>
        Of(name => name == Weight.Name ? _layer.TrainedValue(network) : network.Parameters[name]);

    /// <param name="values">Gives parameters, of any shapes with the elements in their own order.</param>
    private (torch.Tensor Matrix, torch.Tensor Bias) Of(Func<string, torch.Tensor> values)
    {
        var matrix = Matrix(values(Weight.Name));
        if (_normalization is not null)
        {
            var (factor, shift) = Scaling(values);
            return (matrix.mul(factor.unsqueeze(1)), shift.add(values(Bias!.Name).flatten(), Scalars.One));
        }
        return (matrix, Bias is null ? torch.zeros_like(matrix.select(1, 0)) : values(Bias.Name).flatten());
    }

    /// <summary>A target for the weight and its bias.</summary>
    /// <param name="matrix">The wanted W.</param>
    /// <param name="inputMean">The mean of the inputs, m, [inputs]; lives as long as the target.</param>
    /// <param name="outputMean">The wanted mean of the outputs, [outputs]; lives as long as the target.</param>
    /// <param name="round">Rounds the output channels of a quantized weight.</param>
    /// <param name="values">Gives the merged values of everything else.</param>
    /// <returns>
    /// The target: whatever the weight becomes by rounding, the bias gives the outputs their mean,
    /// <c>b = mean - W m</c>.
    /// </returns>
    public MergeTarget Target(
        torch.Tensor matrix, torch.Tensor inputMean, torch.Tensor outputMean, Func<MergedWeight, int[]> round,
        Func<string, double[]> values)
    {
        matrix = Settled(matrix, matrix.abs().amax([1], keepdim: true));
        torch.Tensor? factor = null, shift = null;
        if (_normalization is not null)
        {
            (factor, shift) = Scaling(name => HostValues.Tensor(values(name)));
            factor.MoveToOuterDisposeScope();
            shift.MoveToOuterDisposeScope();
            var size = factor.abs();
            var smallest = size.max().mul(Scalars.Keep(MinFactor))
                .add(Scalars.Keep(RegMeanMergeMethod.Tiny), Scalars.One);
            matrix = matrix.div(torch.where(size.lt(smallest), smallest, factor).unsqueeze(1));
        }
        return new(HostValues.Numbers(IsTransposed ? matrix.t() : matrix))
        {
            // With scales along another axis than that of the outputs, one output has no steps of its own.
            Round = (merged, axis) => axis == _layer.OutputAxis ? round(merged) : merged.Nearest(),
            Bias = Bias is null ? null : new(Bias.Name, weight =>
            {
                using var scope = torch.NewDisposeScope();
                var product = Matrix(weight).mv(inputMean);
                if (factor is not null)
                    product = product.mul(factor).add(shift!, Scalars.One);
                return HostValues.Numbers(
                    Settled(outputMean.sub(product), outputMean.abs().max().add(product.abs().max(), Scalars.One)));
            }),
        };
    }

    /// <summary>
    /// Rounds values of which no more is known, so that what should be 0 is. Solving the same equations twice may give
    /// other last digits: they depend on where in memory the numbers are.
    /// </summary>
    /// <param name="values">The values.</param>
    /// <param name="size">The size of what they were computed from.</param>
    private static torch.Tensor Settled(torch.Tensor values, torch.Tensor size)
    {
        var unit = size.mul(Scalars.Keep(Exactness)).add(Scalars.Keep(RegMeanMergeMethod.Tiny), Scalars.One);
        // Adding 0 makes -0 into 0: they are equal, and their bytes are not.
        return values.div(unit).round().mul(unit).add(Scalars.Keep(0.0), Scalars.One);
    }

    // Only matrices can have their outputs along another axis than the first.
    private bool IsTransposed => _layer.OutputAxis != 0;

    /// <summary>The matrix of a weight's values, which are in the weight's own row-major order.</summary>
    public torch.Tensor Matrix(double[] values) => Matrix(HostValues.Tensor(values));

    /// <inheritdoc cref="Matrix(double[])"/>
    public torch.Tensor Matrix(torch.Tensor values) => IsTransposed
        ? values.reshape(Inputs, Outputs).t().contiguous()
        : values.reshape(Outputs, Inputs);

    /// <summary>
    /// What the normalization makes of a product y of the weight, <c>y factor + shift</c>, before its own bias is added.
    /// </summary>
    private (torch.Tensor Factor, torch.Tensor Shift) Scaling(Func<string, torch.Tensor> values)
    {
        var node = _normalization!;
        var (scale, mean, variance) = (Read(node.Inputs[1]), Read(node.Inputs[3]), Read(node.Inputs[4]));
        var factor = scale.div(
            variance.add(Scalars.Keep(((BatchNormalization)node.Operator).Epsilon), Scalars.One).sqrt());
        var offset = _layer.Bias is { } bias ? Read(bias).sub(mean) : mean.neg();
        return (factor, offset.mul(factor));

        torch.Tensor Read(string name) => values(name).flatten();
    }
}

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// An operator that algorithms treat as a layer. It multiplies its first input by its second, which is the weight
/// unless it is data, and adds its third input, the bias, if there is one.
/// </summary>
internal abstract class LayerOperator(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    /// <summary>The index of the input that is multiplied by the weight.</summary>
    public const int DataInput = 0;

    /// <summary>The index of the weight.</summary>
    public const int WeightInput = 1;

    /// <summary>The index of the optional bias.</summary>
    public const int BiasInput = 2;

    /// <summary>The factor of the products.</summary>
    public virtual float ProductFactor => 1;

    /// <summary>The factor of the bias.</summary>
    public virtual float BiasFactor => 1;

    /// <summary>Whether ONNX Runtime has an integer kernel for the operator.</summary>
    public virtual bool HasIntegerKernel => true;

    /// <summary>
    /// Whether the integer kernel gives integers only, so that there is none unless the output is rounded before
    /// anything but a fused activation reads it.
    /// </summary>
    public virtual bool GivesIntegersOnly => false;

    /// <summary>
    /// The axis of the output channels in the weight. For a transposed convolution with groups, the axis of one group's
    /// channels.
    /// </summary>
    /// <param name="weightRank">The number of dimensions of the weight.</param>
    public abstract int OutputAxis(int weightRank);

    /// <summary>Whether each output position is the weight, as a matrix, times the inputs of that position.</summary>
    /// <param name="weightRank">The number of dimensions of the weight.</param>
    public abstract bool IsMatrixProduct(int weightRank);

    /// <summary>Checks that a weight is one of this operator.</summary>
    /// <param name="shape">The weight's shape.</param>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public virtual void CheckWeight(ReadOnlySpan<long> shape)
    {
    }

    /// <summary>
    /// The weight's shape with the output channels as separate dimensions, and the shape in which one factor per output
    /// channel multiplies it. Null where dimension 1 of the output does not hold the output channels of the weight.
    /// </summary>
    /// <param name="weight">The weight's shape.</param>
    /// <param name="channels">The number of output channels.</param>
    public virtual (long[] Weight, long[] Factor)? ByOutputChannel(long[] weight, long channels)
    {
        var axis = OutputAxis(weight.Length);
        return axis < weight.Length && weight[axis] == channels
            ? (weight, [.. weight.Select((_, d) => d == axis ? channels : 1)])
            : null;
    }
}

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// An operator that multiplies its first input by its second, the weight where that is no data, and adds its third, a bias, where it takes one: what algorithms know as a layer.
/// </summary>
internal abstract class LayerOperator(string type, OperatorAttributes attributes) : Operator(type, attributes)
{
    /// <summary>The input that is multiplied by the weight.</summary>
    public const int DataInput = 0;

    /// <summary>The weight.</summary>
    public const int WeightInput = 1;

    /// <summary>The bias, where there is one.</summary>
    public const int BiasInput = 2;

    /// <summary>What the products are multiplied by.</summary>
    public virtual float ProductFactor => 1;

    /// <summary>What the bias is multiplied by.</summary>
    public virtual float BiasFactor => 1;

    /// <summary>Whether ONNX Runtime has a kernel for it that computes on integers.</summary>
    public virtual bool HasIntegerKernel => true;

    /// <summary>The axis of the output channels in the weight; with groups, a transposed convolution's channels of one group.</summary>
    /// <param name="weightRank">The number of the weight's dimensions.</param>
    public abstract int OutputAxis(int weightRank);

    /// <summary>Whether each output position is the weight, as one matrix, times the inputs that the position sees.</summary>
    /// <param name="weightRank">The number of the weight's dimensions.</param>
    public abstract bool IsMatrixProduct(int weightRank);

    /// <summary>
    /// The weight's shape with the output channels apart, and the shape in which one factor for each output channel multiplies it; null where the channels of the output, its dimension 1, are not
    /// those of the weight.
    /// </summary>
    /// <param name="weight">The weight's shape.</param>
    /// <param name="channels">The number of the output's channels.</param>
    public virtual (long[] Weight, long[] Factor)? ByOutputChannel(long[] weight, long channels)
    {
        var axis = OutputAxis(weight.Length);
        return axis < weight.Length && weight[axis] == channels ? (weight, [.. weight.Select((_, d) => d == axis ? channels : 1)]) : null;
    }
}

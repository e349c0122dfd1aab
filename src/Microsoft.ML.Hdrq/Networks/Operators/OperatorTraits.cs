namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// Properties of an operator that algorithms ask for. They are set in the operator's entry in the table; nothing else
/// lists operators by name. Whether an operator is a layer with a weight, and everything that follows from this, is
/// determined by its class: see <see cref="LayerOperator"/>.
/// </summary>
[Flags]
internal enum OperatorTraits
{
    /// <summary>None of these.</summary>
    None = 0,

    /// <summary>No output is negative if no input is.</summary>
    KeepsSign = 1 << 0,

    /// <summary>No output is negative, for any input.</summary>
    NeverNegative = 1 << 1,

    /// <summary>
    /// The first output consists of elements of the first input, and zeros. If the input is on the grid of a quantizer,
    /// so is the output, whether it is rounded before or after the node. A node that has a
    /// <see cref="OperatorDefinition.FillInput"/> does not have this property.
    /// </summary>
    MovesValues = 1 << 2 | KeepsSign,

    /// <summary>The first output has the elements of the first input in the same order, in any shape.</summary>
    KeepsElements = 1 << 3 | MovesValues,

    /// <summary>
    /// The output has each element of the first input once, in another order or shape, in training as well: it moves
    /// parameters as well as data.
    /// </summary>
    Rearranges = 1 << 11 | MovesValues,

    /// <summary>The output is the input.</summary>
    PassesOn = 1 << 12 | KeepsElements,

    /// <summary>The first output is a mean over positions of the first input.</summary>
    Averages = 1 << 4 | KeepsSign,

    /// <summary>
    /// Pooling that integer runtimes compute on integers, between a quantizer of its input and one of its output.
    /// </summary>
    Pools = 1 << 5,

    /// <summary>
    /// Joins branches of the network: the operator closes a residual block, and all its inputs are quantized.
    /// </summary>
    Joins = 1 << 6 | KeepsSign,

    /// <summary>The output has a probability for each element of the input, which is its logit.</summary>
    GivesProbabilities = 1 << 13 | RatesClasses,

    /// <summary>The output has probabilities, or their logarithms: it ends a network that classifies.</summary>
    RatesClasses = 1 << 14,

    /// <summary>
    /// libtorch can differentiate the operator twice, or it carries no gradients. libtorch ends the process where a
    /// second derivative is missing, so only operators that were tested have this trait.
    /// </summary>
    TwiceDifferentiable = 1 << 7,

    /// <summary>Only the shape of the input is read: the output does not depend on the data.</summary>
    ReadsShape = 1 << 8,

    /// <summary>An elementwise function that integer kernels compute together with the layer before it.</summary>
    FusedActivation = 1 << 9,

    /// <summary>
    /// Elementwise, and where one input is a constant, an affine function of the other; a quotient of the first only.
    /// </summary>
    IsAffine = 1 << 15,

    /// <summary>
    /// The first input is normalized, then multiplied by the second, the scale, and shifted by the third, if there is
    /// one.
    /// </summary>
    Normalizes = 1 << 16,

    /// <summary>The sum of the inputs: it joins branches, or adds a bias.</summary>
    Adds = 1 << 10 | Joins,
}

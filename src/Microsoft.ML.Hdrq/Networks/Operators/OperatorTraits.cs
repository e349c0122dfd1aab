namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// What algorithms ask of an operator. An operator has its traits in its line of the table, and nothing else lists operators by name. Whether an operator is a layer with a weight, and what follows
/// from that, is said by its class: see <see cref="LayerOperator"/>.
/// </summary>
[Flags]
internal enum OperatorTraits
{
    /// <summary>None of these.</summary>
    None = 0,

    /// <summary>No output is negative where no input is.</summary>
    KeepsSign = 1 << 0,

    /// <summary>No output is negative, whatever the inputs are.</summary>
    NeverNegative = 1 << 1,

    /// <summary>
    /// The first output consists of elements of the first input, and zeros: what comes out lies on the grid of a quantizer when what goes in does, whether it is rounded before or behind the node.
    /// A node that has a <see cref="OperatorDefinition.FillInput"/> does not.
    /// </summary>
    MovesValues = 1 << 2 | KeepsSign,

    /// <summary>The first output has the elements of the first input in their order, in whatever shape.</summary>
    KeepsElements = 1 << 3 | MovesValues,

    /// <summary>The output has the elements of the first input, each once, in another order or shape, in training too: it moves a parameter as well as data.</summary>
    Rearranges = 1 << 11 | MovesValues,

    /// <summary>The output is the input.</summary>
    PassesOn = 1 << 12 | KeepsElements,

    /// <summary>The first output is a mean over positions of the first input.</summary>
    Averages = 1 << 4 | KeepsSign,

    /// <summary>Pooling that integer runtimes compute on integers, between a quantizer of its input and one of its output.</summary>
    Pools = 1 << 5,

    /// <summary>Brings branches of the network together: it closes a residual block, and all its inputs are quantized.</summary>
    Joins = 1 << 6 | KeepsSign,

    /// <summary>
    /// libtorch differentiates it twice, or it carries no gradients. It ends the process where a second derivative is missing, so that only operators for which that was tried have this trait.
    /// </summary>
    TwiceDifferentiable = 1 << 7,

    /// <summary>Only the shape of the input is read: the output is no data.</summary>
    ReadsShape = 1 << 8,

    /// <summary>An elementwise function that integer kernels compute together with the layer before it.</summary>
    FusedActivation = 1 << 9,

    /// <summary>The sum of its inputs: it joins branches, or adds a bias.</summary>
    Adds = 1 << 10 | Joins,
}

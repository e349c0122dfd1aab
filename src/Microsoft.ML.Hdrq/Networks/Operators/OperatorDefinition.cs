namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>An entry of the operator table.</summary>
/// <param name="Create">Makes the operator from its ONNX name and attributes.</param>
internal sealed record OperatorDefinition(Func<string, OperatorAttributes, Operator> Create)
{
    /// <summary>The minimum number of inputs, none of which may be left out.</summary>
    public int MinInputs { get; init; } = 1;

    /// <summary>The maximum number of inputs.</summary>
    public int MaxInputs { get; init; } = 1;

    /// <summary>The maximum number of outputs; the minimum is 1.</summary>
    public int MaxOutputs { get; init; } = 1;

    /// <summary>The first opset that can express the operator, possibly with inputs written as attributes.</summary>
    public int SinceOpset { get; init; } = 1;

    /// <summary>Attributes that later opsets added to an existing operator, each with its first opset.</summary>
    public (string Attribute, int Since)[] LaterAttributes { get; init; } = [];

    /// <summary>Inputs that hold running statistics (<see cref="ParameterRole.Statistic"/>).</summary>
    public int[] StatisticInputs { get; init; } = [];

    /// <summary>Inputs that are trained, however a file stores them (<see cref="ParameterRole.Weight"/>).</summary>
    public int[] WeightInputs { get; init; } = [];

    /// <summary>
    /// Floating-point inputs that control the computation, such as bounds, scales or an exponent, and are never
    /// trained.
    /// </summary>
    public int[] SteeringInputs { get; init; } = [];

    /// <summary>The operator's traits, which algorithms ask for.</summary>
    public OperatorTraits Traits { get; init; }

    /// <summary>
    /// An input whose value is inserted among the elements that the operator moves; a node with this input does not
    /// move values. Null where there is none.
    /// </summary>
    public int? FillInput { get; init; }

    /// <summary>An input that is a lower bound of all outputs; null where there is none.</summary>
    public int? LowerBoundInput { get; init; }

    /// <summary>
    /// Whether constants may be folded through the operator when a network is loaded: it must be cheap, and its result
    /// must be bounded by the size of its inputs or checked.
    /// </summary>
    public bool Foldable { get; init; }

    /// <summary>
    /// Whether a node with this number of inputs moves values: see <see cref="OperatorTraits.MovesValues"/>.
    /// </summary>
    public bool MovesValues(int inputCount) => Traits.HasFlag(OperatorTraits.MovesValues) && !(FillInput < inputCount);
}

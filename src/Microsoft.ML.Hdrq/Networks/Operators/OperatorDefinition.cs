namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>One line of the operator table.</summary>
/// <param name="Create">Makes the operator from its ONNX name and attributes.</param>
internal sealed record OperatorDefinition(Func<string, OperatorAttributes, Operator> Create)
{
    /// <summary>The fewest inputs, all of them present.</summary>
    public int MinInputs { get; init; } = 1;

    /// <summary>The most inputs.</summary>
    public int MaxInputs { get; init; } = 1;

    /// <summary>The most outputs; there is always at least one.</summary>
    public int MaxOutputs { get; init; } = 1;

    /// <summary>The first opset that can express the operator, if need be with inputs written as attributes.</summary>
    public int SinceOpset { get; init; } = 1;

    /// <summary>Attributes that later opsets added to an operator that was there before, each with the first that has it.</summary>
    public (string Attribute, int Since)[] LaterAttributes { get; init; } = [];

    /// <summary>Inputs that hold running statistics (<see cref="ParameterRole.Statistic"/>).</summary>
    public int[] StatisticInputs { get; init; } = [];

    /// <summary>Inputs that training changes whatever holds them (<see cref="ParameterRole.Weight"/>).</summary>
    public int[] WeightInputs { get; init; } = [];

    /// <summary>Floating-point inputs that say how to compute, such as bounds, scales or an exponent, and are never trained.</summary>
    public int[] SteeringInputs { get; init; } = [];

    /// <summary>What algorithms ask of the operator.</summary>
    public OperatorTraits Traits { get; init; }

    /// <summary>An input whose value comes among the elements that the operator moves; a node that has it moves values no longer. Null where there is none.</summary>
    public int? FillInput { get; init; }

    /// <summary>An input that no output is below; null where there is none.</summary>
    public int? LowerBoundInput { get; init; }

    /// <summary>Whether constants may be computed through it once, when a network is loaded: cheap, and bounded by the size of its inputs or checked.</summary>
    public bool Foldable { get; init; }

    /// <summary>Whether a node with so many inputs moves values, see <see cref="OperatorTraits.MovesValues"/>.</summary>
    public bool MovesValues(int inputCount) => Traits.HasFlag(OperatorTraits.MovesValues) && !(FillInput < inputCount);
}

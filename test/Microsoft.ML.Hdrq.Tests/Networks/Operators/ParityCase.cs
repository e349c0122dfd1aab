using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>One input of a case: fed to the network, or a constant within it.</summary>
public sealed record ParityInput(TensorData Data, bool IsConstant);

/// <summary>One operator with attributes and inputs, to be computed here and by ONNX Runtime.</summary>
public sealed record ParityCase(
    string Type, string Name, ParityInput?[] Inputs, params (string Name, object Value)[] Attributes)
{
    public int Outputs { get; init; } = 1;

    /// <summary>
    /// The oldest opset that defines the operator on these types and shapes: a graph does not know those of values in
    /// between.
    /// </summary>
    public int OldestOpset { get; init; } = OpsetForms.Oldest;

    /// <summary>Whether the outputs have 4 bits, which Torch cannot tell from 8.</summary>
    public bool GivesFourBits { get; init; }

    /// <summary>The greatest absolute difference between floating-point numbers.</summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>Whether gradients flow from the outputs to the first input.</summary>
    public bool Differentiable { get; init; } = true;

    public override string ToString() => $"{Type}, {Name}";
}

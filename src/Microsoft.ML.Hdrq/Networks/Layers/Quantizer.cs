using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>A quantizer of a graph.</summary>
/// <param name="Node">Its node.</param>
/// <param name="Operator">Its operator.</param>
/// <param name="IsWeight">Whether what it quantizes is a parameter, and its scale another; else it quantizes an activation.</param>
internal sealed record Quantizer(GraphNode Node, FakeQuantize Operator, bool IsWeight)
{
    /// <summary>What it quantizes: a parameter or a value.</summary>
    public string Value => Node.Inputs[0];

    /// <summary>The name of its scale or scales.</summary>
    public string Scale => Node.Inputs[1];

    /// <summary>The value on the grid.</summary>
    public string Output => Node.Outputs[0];
}

using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>A quantizer of a graph.</summary>
/// <param name="Node">Its node.</param>
/// <param name="Operator">Its operator.</param>
/// <param name="IsWeight">Whether it quantizes a parameter with a scale that is a parameter too; otherwise it quantizes
/// an activation.</param>
internal sealed record Quantizer(GraphNode Node, FakeQuantize Operator, bool IsWeight)
{
    /// <summary>The name of the parameter or activation that it quantizes.</summary>
    public string Value => Node.Inputs[0];

    /// <summary>The name of its scale or scales.</summary>
    public string Scale => Node.Inputs[1];

    /// <summary>The name of the quantized value.</summary>
    public string Output => Node.Outputs[0];
}

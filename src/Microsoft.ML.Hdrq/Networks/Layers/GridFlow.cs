

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>Operators that only move values or choose among them: what comes out lies on the grid of a quantizer when what goes in does, whether it is rounded before or behind them.</summary>
internal static class GridFlow
{
    /// <summary>Whether an operator's first output consists of elements of its first input, and zeros.</summary>
    public static bool Keeps(string type, int inputCount) => type switch
    {
        "MaxPool" or "GlobalMaxPool" or "Flatten" or "Reshape" or "Squeeze" or "Unsqueeze" or "Transpose" or "Slice" or "Dropout" or "Identity" => true,
        // A third input is a value to pad with, other than zero.
        "Pad" => inputCount < 3,
        _ => false,
    };

    /// <summary>The value that a value consists of, before it was moved: what a quantizer has to round for this one to be on its grid.</summary>
    public static string Origin(DataFlow flow, string value)
    {
        while (flow.Definer(value) is { } definer && definer.Outputs[0] == value && Keeps(definer.Operator.Type, definer.Inputs.Length) && flow.IsData(definer.Inputs[0]))
            value = definer.Inputs[0];
        return value;
    }
}

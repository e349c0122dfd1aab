using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// A node on its way between a file and a graph, while its form is converted from one opset to another.
/// </summary>
internal sealed class OnnxNode(
    string name,
    string type,
    OperatorAttributes attributes,
    IEnumerable<string> inputs,
    IEnumerable<string> outputs)
{
    public string Name { get; } = name;

    public string Type { get; set; } = type;

    public OperatorAttributes Attributes { get; set; } = attributes;

    public List<string> Inputs { get; } = [.. inputs];

    public List<string> Outputs { get; } = [.. outputs];

    public string Input(int index) => index < Inputs.Count ? Inputs[index] : "";

    public void SetInput(int index, string value)
    {
        while (Inputs.Count <= index)
            Inputs.Add("");
        Inputs[index] = value;
    }

    public override string ToString() =>
        $"'{(Name.Length > 0 ? Name : Outputs.FirstOrDefault(output => output.Length > 0) ?? "?")}' ({Type})";
}

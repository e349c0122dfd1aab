using System.Collections.Frozen;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Writes activations out in nodes of older opsets, in the forms that ONNX Runtime computes in one step where it can.
/// <see cref="Networks.Passes.CollapseActivations"/> recognizes them when the file is read.
/// </summary>
internal static class ActivationForms
{
    /// <summary>The opset that has the operators of the written form, by activation.</summary>
    private static readonly FrozenDictionary<string, int> Oldest = new Dictionary<string, int>
    {
        ["HardSwish"] = 1,
        ["Swish"] = 1,
        ["Gelu"] = 9,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The oldest opset that expresses an operator by itself, or written out.</summary>
    public static int MinimumOpset(Operator operation) =>
        Oldest.TryGetValue(operation.Type, out var oldest) ? oldest : operation.Definition.SinceOpset;

    /// <summary>The oldest opset in which ONNX Runtime computes an activation in few steps.</summary>
    public static int FastOpset(Operator operation) => IsTanhForm(operation.Attributes)
        ? operation.Definition.SinceOpset
        : MinimumOpset(operation);

    /// <summary>The nodes that express a node in an opset: the node itself where the opset has its operator.</summary>
    /// <param name="node">The node.</param>
    /// <param name="opset">The opset to write.</param>
    /// <param name="freshName">Makes a name that no value has yet.</param>
    /// <param name="number">Returns the name of a constant that holds a number.</param>
    public static IEnumerable<OnnxNode> Expand(
        OnnxNode node, int opset, Func<string, string> freshName, Func<double, string> number)
    {
        if (!Oldest.ContainsKey(node.Type) || opset >= OperatorTable.Definitions[node.Type].SinceOpset)
            return [node];
        var nodes = new List<OnnxNode>();
        var x = node.Inputs[0];
        switch (node.Type)
        {
            case "HardSwish":
                Last("Mul", x, Step("HardSigmoid", "gate", new OperatorAttributes(("alpha", 1 / 6f)), x));
                break;
            case "Swish":
                var alpha = node.Attributes.Float("alpha", 1);
                var scaled = alpha == 1 ? x : Binary("Mul", "scaled", x, number(alpha));
                Last("Mul", x, Step("Sigmoid", "gate", OperatorAttributes.None, scaled));
                break;
            default:
                var gate = IsTanhForm(node.Attributes)
                    ? Step("Tanh", "gate", OperatorAttributes.None, Cubic())
                    : Step("Erf", "gate", OperatorAttributes.None, Binary("Div", "scaled", x, number(Math.Sqrt(2))));
                Last("Mul", Binary("Mul", "twice", x, Binary("Add", "shifted", gate, number(1))), number(0.5));
                break;
        }
        return nodes;

        string Cubic()
        {
            var cube = Binary("Mul", "scaled", Binary("Pow", "cube", x, number(3)), number(0.044715));
            return Binary("Mul", "argument", Binary("Add", "sum", x, cube), number(Math.Sqrt(2 / Math.PI)));
        }

        string Binary(string type, string name, string a, string b) => Step(type, name, OperatorAttributes.None, a, b);

        string Step(string type, string name, OperatorAttributes attributes, params string[] inputs)
        {
            var output = freshName($"{node.Outputs[0]}.{name}");
            nodes.Add(new OnnxNode($"{node.Name}.{name}", type, attributes, inputs, [output]));
            return output;
        }

        void Last(string type, string a, string b) =>
            nodes.Add(new OnnxNode(node.Name, type, OperatorAttributes.None, [a, b], node.Outputs));
    }

    private static bool IsTanhForm(OperatorAttributes attributes) =>
        attributes.TryGet("approximate", out var form) && form is "tanh";
}

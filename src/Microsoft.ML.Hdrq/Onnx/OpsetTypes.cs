using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// The element types on which each opset defines the operators
/// (https://github.com/onnx/onnx/blob/main/docs/Changelog.md, the type constraints). A runtime refuses a file that uses
/// other types, even if it could compute them.
/// </summary>
internal static class OpsetTypes
{
    private const Types Floats = Types.Float16 | Types.Float32 | Types.Float64;
    private const Types Indices = Types.Int32 | Types.Int64;
    private const Types Large = Floats | Indices;
    private const Types Signed = Large | Types.Int16 | Types.Int8;
    private const Types Numbers = Signed | Types.UInt8;
    private const Types Any = Numbers | Types.Bool;
    private const Types FourBits = Types.Int4 | Types.UInt4;
    private const Types Bytes = Types.Int8 | Types.UInt8;

    private static readonly Allowed Same = new(null, 0);

    /// <summary>
    /// The input types of each operator, beginning with an opset; for variadic operators, the last entry holds for all
    /// further inputs. Operators that are not listed are defined on floating-point types only, the same for all inputs.
    /// </summary>
    private static readonly ILookup<string, Rule> Rules = new (string Operators, int Since, Allowed[] Inputs)[]
    {
        ("BatchNormalization", 1, [Floats, Same, Same, Same, Same]),
        ("BatchNormalization", 14, [Floats, Same, Same, Floats, As(3)]),
        ("BatchNormalization", 15, [Floats, Floats, As(1), Floats, As(3)]),
        ("Gemm MatMul PRelu", 1, [Large, Same, Same]),
        ("Einsum", 12, [Numbers, Same]),
        ("Celu", 12, [Types.Float32]),
        ("Relu", 1, [Floats]),
        ("Relu", 14, [Signed]),
        ("Erf", 1, [Numbers]),
        ("Erf", 13, [Floats]),
        ("Neg", 1, [Signed]),
        ("Abs Sign ArgMax ArgMin", 1, [Numbers]),
        ("IsInf", 10, [Types.Float32 | Types.Float64]),
        ("IsInf", 20, [Floats]),
        ("Clip", 1, [Floats]),
        ("Clip", 11, [Floats, Same, Same]),
        ("Clip", 12, [Numbers, Same, Same]),
        ("Dropout", 1, [Floats]),
        ("Dropout", 12, [Floats, Floats, Types.Bool]),
        ("MaxPool", 1, [Floats]),
        ("MaxPool", 12, [Floats | Bytes]),

        ("Add Sub Mul Div", 1, [Large, Same]),
        ("Add Sub Mul Div", 14, [Numbers, Same]),
        ("Sum Mean", 1, [Floats, Same]),
        ("Max Min", 1, [Floats, Same]),
        ("Max Min", 12, [Numbers, Same]),
        ("Pow", 1, [Floats, Same]),
        ("Pow", 12, [Large, Numbers]),
        ("Mod Less LessOrEqual Greater GreaterOrEqual", 1, [Numbers, Same]),
        ("Equal", 1, [Indices | Types.Bool, Same]),
        ("Equal", 11, [Any, Same]),
        ("And Or Xor", 1, [Types.Bool, Types.Bool]),
        ("Not", 1, [Types.Bool]),
        ("Where", 1, [Types.Bool, Any, As(1)]),

        (
            "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
                + "ReduceSumSquare",
            1,
            [Large]),
        ("ReduceSum", 13, [Large, Types.Int64]),
        ("ReduceMax ReduceMin", 12, [Large | Bytes]),
        (
            "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSumSquare",
            18,
            [Large, Types.Int64]),
        ("ReduceMax ReduceMin", 18, [Large | Bytes, Types.Int64]),
        ("ReduceMax ReduceMin", 20, [Large | Bytes | Types.Bool, Types.Int64]),
        ("CumSum", 11, [Indices | Types.Float32 | Types.Float64, Indices]),
        ("CumSum", 14, [Large, Indices]),
        ("TopK", 1, [Floats]),
        ("TopK", 10, [Floats, Types.Int64]),
        ("TopK", 11, [Numbers, Types.Int64]),

        ("Cast Flatten Identity Shape Size Transpose", 1, [Any]),
        ("Cast Flatten Identity Shape Size Transpose", 21, [Any | FourBits]),
        ("CastLike", 15, [Any, Any]),
        ("CastLike", 21, [Any | FourBits, Any | FourBits]),
        ("DepthToSpace SpaceToDepth", 1, [Any]),
        ("Concat", 1, [Any, Same]),
        ("Expand Tile Trilu", 1, [Any, Types.Int64]),
        ("Gather GatherElements", 1, [Any, Indices]),
        ("Reshape", 1, [Any, Types.Int64]),
        ("Reshape", 21, [Any | FourBits, Types.Int64]),
        ("Squeeze Unsqueeze Split", 1, [Any]),
        ("Squeeze Unsqueeze Split", 13, [Any, Types.Int64]),
        ("Squeeze Unsqueeze", 21, [Any | FourBits, Types.Int64]),
        ("Slice", 1, [Any]),
        ("Slice", 10, [Any, Indices, As(1), As(1), As(1)]),
        ("Pad", 1, [Floats]),
        ("Pad", 11, [Numbers, Types.Int64, Same]),
        ("Pad", 13, [Any, Types.Int64, Same]),
        ("Pad", 18, [Any, Types.Int64, Same, Indices]),
        ("Pad", 21, [Any | FourBits, Types.Int64, Same, Indices]),
        ("Resize", 1, [Any, Floats, Types.Float32, Types.Int64]),
        ("GatherND", 11, [Any, Types.Int64]),
        ("ScatterElements", 11, [Any, Indices, Same]),
        ("ScatterND", 11, [Any, Types.Int64, Same]),
        ("OneHot", 9, [Numbers, Numbers, Any]),
        // Its definition by other operators mixes the shape with Int64, although it allows Int32.
        ("CenterCropPad", 18, [Any, Types.Int64]),
        ("Col2Im", 18, [Any, Types.Int64, Types.Int64]),
        ("GridSample", 16, [Any, Floats]),
        ("NonMaxSuppression", 10, [Types.Float32, Types.Float32, Types.Int64, Types.Float32, Types.Float32]),
        ("ConstantOfShape", 1, [Types.Int64]),
        ("Range", 1, [Indices | Types.Int16 | Types.Float32 | Types.Float64, Same, Same]),

        ("QuantizeLinear", 10, [Types.Float32 | Types.Int32, Types.Float32, Bytes]),
        ("QuantizeLinear", 19, [Types.Float16 | Types.Float32 | Types.Int32, Same, Bytes]),
        ("QuantizeLinear", 21, [Types.Float16 | Types.Float32 | Types.Int32, Same, Bytes | Types.Int16 | FourBits]),
        ("DequantizeLinear", 10, [Bytes | Types.Int32, Types.Float32, Same]),
        ("DequantizeLinear", 19, [Bytes | Types.Int32, Types.Float16 | Types.Float32, Same]),
        ("DequantizeLinear", 21, [Bytes | Types.Int32 | Types.Int16 | FourBits, Types.Float16 | Types.Float32, Same]),
        // It is written as QuantizeLinear and DequantizeLinear.
        (FakeQuantize.Name, 1, [Types.Float32, Same]),
        (FakeQuantize.Name, 19, [Types.Float16 | Types.Float32, Same]),
    }
        .SelectMany(line => line.Operators
            .Split(' ')
            .Select(type => (Type: type, Rule: new Rule(line.Since, line.Inputs))))
        .ToLookup(pair => pair.Type, pair => pair.Rule, StringComparer.Ordinal);

    [Flags]
    private enum Types
    {
        Float16 = 1 << (int)ElementType.Float16,
        Float32 = 1 << (int)ElementType.Float32,
        Float64 = 1 << (int)ElementType.Float64,
        Int64 = 1 << (int)ElementType.Int64,
        Int32 = 1 << (int)ElementType.Int32,
        Int16 = 1 << (int)ElementType.Int16,
        Int8 = 1 << (int)ElementType.Int8,
        UInt8 = 1 << (int)ElementType.UInt8,
        Bool = 1 << (int)ElementType.Bool,
        Int4 = 1 << (int)ElementType.Int4,
        UInt4 = 1 << (int)ElementType.UInt4,
    }

    /// <summary>The types of an input: a set of types, or the type of another input.</summary>
    private readonly record struct Allowed(Types? Some, int Other)
    {
        public static implicit operator Allowed(Types types) => new(types, 0);
    }

    private sealed record Rule(int Since, Allowed[] Inputs);

    /// <summary>
    /// Whether an opset defines an operator on the types of its inputs. Unknown types are accepted.
    /// </summary>
    public static bool Defines(int opset, GraphNode node, Func<string, ElementType?> type) =>
        RulesOf(node).Where(rule => rule.Since <= opset).MaxBy(rule => rule.Since) is { } rule
        && Fits(rule, node, type)
        && NamesItsType(node, type);

    /// <summary>Whether the newest opset takes a type as an input of an operator.</summary>
    public static bool Takes(GraphNode node, int input, ElementType type)
    {
        var rule = RulesOf(node).MaxBy(rule => rule.Since)!;
        var allowed = rule.Inputs[Math.Min(input, rule.Inputs.Length - 1)];
        return (allowed.Some ?? rule.Inputs[allowed.Other].Some)?.HasFlag((Types)(1 << (int)type)) == true;
    }

    /// <summary>The oldest opset that defines an operator on the types of its inputs; null where none does.</summary>
    public static int? Oldest(GraphNode node, Func<string, ElementType?> type) =>
        RulesOf(node).OrderBy(rule => rule.Since).FirstOrDefault(rule => Fits(rule, node, type))?.Since;

    /// <summary>The rules of an operator; operators without an entry are defined on floating-point types.</summary>
    private static IEnumerable<Rule> RulesOf(GraphNode node) => Rules.Contains(node.Operator.Type)
        ? Rules[node.Operator.Type]
        : [new Rule(1, [Floats, Same, Same])];

    private static bool Fits(Rule rule, GraphNode node, Func<string, ElementType?> type)
    {
        // Inputs that an opset does not have are attributes there.
        var count = node.Operator.Definition.MaxInputs == int.MaxValue
            ? node.Inputs.Length
            : Math.Min(rule.Inputs.Length, node.Inputs.Length);
        for (var i = 0; i < count; i++)
        {
            if (type(node.Inputs[i]) is not { } actual)
                continue;
            var allowed = rule.Inputs[Math.Min(i, rule.Inputs.Length - 1)];
            var isOther = allowed.Some is { } some
                ? (some & (Types)(1 << (int)actual)) == 0
                : type(node.Inputs[allowed.Other]) is { } other && other != actual;
            if (isOther)
                return false;
        }
        return true;
    }

    /// <summary>
    /// Whether an attribute and a zero point give the same type of the integers, if both are present.
    /// </summary>
    private static bool NamesItsType(GraphNode node, Func<string, ElementType?> type) =>
        node is not { Operator.Type: "QuantizeLinear", Inputs.Length: > 2 } || type(node.Inputs[2]) is not { } actual
        || node.Operator.Attributes.Integer("output_dtype", (long)actual) == (long)actual;

    private static Allowed As(int input) => new(null, input);
}

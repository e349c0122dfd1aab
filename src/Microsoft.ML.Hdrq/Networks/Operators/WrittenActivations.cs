using static System.Math;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The activations that exporters write out in several nodes, because their opset lacks the operator or because the
/// network's code computes them so: each with its function of its input.
/// </summary>
internal static class WrittenActivations
{
    /// <summary>Any number, which becomes an attribute.</summary>
    private const double Any = double.NaN;

    private static readonly Form[] Forms =
    [
        new("HardSigmoid", [Any, Any], [], [1], inner => Operator.Create(
            "HardSigmoid", new OperatorAttributes(("alpha", (float)inner[1]), ("beta", (float)inner[0])))),
        new("HardSigmoid", [0.5, 1 / 6.0], [], [0, 1], _ => Operator.Create("HardSwish")),
        new("Sigmoid", [0, Any], [], [0, 1], inner => Operator.Create(
            "Swish", new OperatorAttributes(("alpha", (float)inner[1])))),
        new("Erf", [0, Sqrt(0.5)], [0, 0.5], [0, 0.5], _ => Operator.Create("Gelu")),
        new("Tanh", [0, Sqrt(2 / PI), 0, Sqrt(2 / PI) * 0.044715], [0, 0.5], [0, 0.5], _ => Operator.Create(
            "Gelu", new OperatorAttributes(("approximate", "tanh")))),
    ];

    /// <summary>An activation by the function that it is.</summary>
    /// <param name="Gate">The operator of the gate.</param>
    /// <param name="Inner">The coefficients of the gate's argument; those left out are 0.</param>
    /// <param name="Plain">The coefficients of what is not multiplied by the gate.</param>
    /// <param name="Gated">The coefficients of what is.</param>
    /// <param name="Make">Makes the operator, given the coefficients of the gate's argument.</param>
    private sealed record Form(
        string Gate, double[] Inner, double[] Plain, double[] Gated, Func<IReadOnlyList<double>, Operator> Make);

    /// <summary>Finds the operator that computes a function.</summary>
    /// <param name="function">The function.</param>
    /// <param name="tolerance">How far a coefficient may be off, relative to what it should be.</param>
    /// <returns>The operator; null where none does.</returns>
    public static Operator? Find(GatedPolynomial function, double tolerance)
    {
        if (function.Gate is not { } gate)
            return null;
        var form = Forms.FirstOrDefault(form => form.Gate == gate.Type && Fits(form.Inner, gate.Inner)
            && Fits(form.Plain, function.Plain) && Fits(form.Gated, function.Gated));
        return form is null || gate.Inner[1] == 0 ? null : form.Make(gate.Inner);

        bool Fits(double[] expected, IReadOnlyList<double> actual) => actual.Index().All(term =>
            term.Index >= expected.Length || expected[term.Index] == 0
                // What a small coefficient adds is not small where the input is large.
                ? term.Item == 0
                : double.IsNaN(expected[term.Index])
                    ? float.IsFinite((float)term.Item)
                    : Abs(term.Item / expected[term.Index] - 1) <= tolerance);
    }
}

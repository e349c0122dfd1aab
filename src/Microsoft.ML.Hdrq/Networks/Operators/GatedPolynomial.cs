using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// A function of one value x, as exporters write activations out: <c>p(x) + q(x) g(r(x))</c>, where p, q and r are
/// polynomials and g, the gate, is an activation. Whatever the order of its factors and terms, the same function has
/// the same coefficients.
/// </summary>
/// <param name="Plain">The coefficients of p, from that of 1 to that of x³.</param>
/// <param name="Gated">The coefficients of q.</param>
/// <param name="Gate">The gate; null where q is 0.</param>
internal sealed record GatedPolynomial(
    ImmutableArray<double> Plain, ImmutableArray<double> Gated, GatedPolynomial.Function? Gate = null)
{
    private const int Terms = 4;

    private static readonly ImmutableArray<double> Zero = [0, 0, 0, 0];

    /// <summary>An activation of a polynomial of x.</summary>
    /// <param name="Type">
    /// The operator's name. Clipping is the <c>HardSigmoid</c> that only clips to 0 and 1, scaled and shifted.
    /// </param>
    /// <param name="Inner">The coefficients of the polynomial.</param>
    public sealed record Function(string Type, ImmutableArray<double> Inner);

    /// <summary>The value itself.</summary>
    public static GatedPolynomial Value { get; } = new([0, 1, 0, 0], Zero);

    /// <summary>The operators that can end a gate.</summary>
    public static bool IsGate(Operator operation) =>
        operation.Type is "Clip" or "HardSigmoid" or "Sigmoid" or "Tanh" or "Erf";

    /// <summary>The operators that polynomials are made of.</summary>
    public static bool IsTerm(Operator operation) =>
        operation.Type is "Add" or "Sub" or "Mul" or "Div" or "Neg" or "Pow";

    /// <summary>A number.</summary>
    public static GatedPolynomial Of(double number) => new([number, 0, 0, 0], Zero);

    /// <summary>What an operator makes of functions of the same value; null where it is no such function.</summary>
    public static GatedPolynomial? Apply(Operator operation, IReadOnlyList<GatedPolynomial> inputs) =>
        (operation.Type, inputs) switch
        {
            ("Add", [var a, var b]) => a.Plus(b, 1),
            ("Sub", [var a, var b]) => a.Plus(b, -1),
            ("Mul", [var a, var b]) => a.Times(b),
            ("Div", [var a, var b]) when b.Number is { } number and not 0 => a.Times(Of(1 / number)),
            ("Neg", [var a]) => a.Times(Of(-1)),
            ("Pow", [var a, var b]) when b.Number is 2 => a.Times(a),
            ("Pow", [var a, var b]) when b.Number is 3 => a.Times(a)?.Times(a),
            ("Clip", [var a, var b, var c])
                when b.Number is { } lower && c.Number is { } upper && lower < upper =>
                a.Plus(Of(lower), -1)?.Times(Of(1 / (upper - lower)))?.Into("HardSigmoid")?.Times(Of(upper - lower))
                    ?.Plus(Of(lower), 1),
            ("HardSigmoid", [var a]) =>
                a.Times(Of(operation.Attributes.Float("alpha", 0.2f)))
                    ?.Plus(Of(operation.Attributes.Float("beta", 0.5f)), 1)?.Into("HardSigmoid"),
            ("Sigmoid" or "Tanh" or "Erf", [var a]) => a.Into(operation.Type),
            _ => null,
        };

    /// <summary>The number that the function is for all values; null where it depends on the value.</summary>
    private double? Number => Gate is null && Plain.AsSpan()[1..].IndexOfAnyExcept(0) < 0 ? Plain[0] : null;

    private GatedPolynomial? Plus(GatedPolynomial other, double factor)
    {
        if (Gate is not null && other.Gate is not null && !ReferenceEquals(Gate, other.Gate))
            return null;
        return new GatedPolynomial(Sum(Plain, other.Plain), Sum(Gated, other.Gated), Gate ?? other.Gate);

        ImmutableArray<double> Sum(ImmutableArray<double> a, ImmutableArray<double> b) =>
            [.. a.Zip(b, (x, y) => x + factor * y)];
    }

    private GatedPolynomial? Times(GatedPolynomial other)
    {
        if (Gate is not null && other.Gate is not null)
            return null;
        var (gated, plain) = Gate is null ? (other.Gated, Plain) : (Gated, other.Plain);
        return Product(Plain, other.Plain) is { } first && Product(gated, plain) is { } second
            ? new GatedPolynomial(first, second, Gate ?? other.Gate)
            : null;
    }

    private GatedPolynomial? Into(string gate) =>
        Gate is null ? new GatedPolynomial(Zero, [1, 0, 0, 0], new Function(gate, Plain)) : null;

    /// <summary>The product of two polynomials; null where its degree is above three.</summary>
    private static ImmutableArray<double>? Product(ImmutableArray<double> a, ImmutableArray<double> b)
    {
        var product = new double[2 * Terms - 1];
        for (var i = 0; i < Terms; i++)
        {
            for (var j = 0; j < Terms; j++)
                product[i + j] += a[i] * b[j];
        }
        return product.AsSpan(Terms).IndexOfAnyExcept(0) < 0 ? [.. product[..Terms]] : null;
    }
}

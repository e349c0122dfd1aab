using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Scalar arguments that stay alive while libtorch reads them. TorchSharp takes the handle out of a
/// <see cref="Scalar"/> and then drops the object: when another thread collects garbage at that moment, the finalizer
/// frees the scalar while libtorch uses it, and the operation fails or, worse, computes with another value. The scalars
/// that TorchSharp makes itself, by implicit conversions and as factors of sums, have the same defect, so this assembly
/// uses none of them (BannedSymbols.txt, and a test that reads what TorchSharp does).
/// </summary>
internal static class Scalars
{
    /// <summary>The number of scalars that a thread keeps alive: more than any single expression uses.</summary>
    private const int Kept = 64;

    [ThreadStatic]
    private static Scalar[]? _recent;

    [ThreadStatic]
    private static int _next;

    /// <summary>The factor of the second operand of sums and differences.</summary>
    public static Scalar One { get; } = 1.ToScalar();

    /// <summary>
    /// A scalar that stays alive until this thread has asked for many others. For arguments; do not store it.
    /// </summary>
    public static Scalar Keep(double value) => Keep(value.ToScalar());

    /// <inheritdoc cref="Keep(double)"/>
    public static Scalar Keep(float value) => Keep(value.ToScalar());

    /// <inheritdoc cref="Keep(double)"/>
    public static Scalar Keep(long value) => Keep(value.ToScalar());

    /// <inheritdoc cref="Keep(double)"/>
    public static Scalar Keep(int value) => Keep(value.ToScalar());

    /// <inheritdoc cref="Keep(double)"/>
    public static Scalar Keep(bool value) => Keep(value.ToScalar());

    private static Scalar Keep(Scalar scalar)
    {
        var recent = _recent ??= new Scalar[Kept];
        recent[_next] = scalar;
        _next = (_next + 1) % Kept;
        return scalar;
    }
}

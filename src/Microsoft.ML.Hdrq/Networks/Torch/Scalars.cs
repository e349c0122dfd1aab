using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>
/// Numbers as arguments of libtorch that live as long as it reads them. TorchSharp takes the handle out of a <see cref="Scalar"/> and then forgets the object: where another thread collects garbage just
/// then, its finalizer frees the number under libtorch's hands, and the operation fails or, worse, computes with another number. Those that TorchSharp makes itself, by implicit conversions and as
/// factors of sums, are no better, so this assembly uses none of them (BannedSymbols.txt).
/// </summary>
internal static class Scalars
{
    /// <summary>More than any one expression takes.</summary>
    private const int Kept = 64;

    [ThreadStatic]
    private static Scalar[]? _recent;

    [ThreadStatic]
    private static int _next;

    /// <summary>The factor of the second operand of sums and differences.</summary>
    public static Scalar One { get; } = 1.ToScalar();

    /// <summary>A number that stays alive until this thread has asked for many others. For arguments; not to be stored.</summary>
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

using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>Inputs of cases: random but always the same numbers.</summary>
internal sealed class ParityValues(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Single-precision numbers in [-2, 2).</summary>
    public ParityInput Floats(params ReadOnlySpan<long> shape) => Between(-2, 2, shape);

    public ParityInput Between(double least, double most, params ReadOnlySpan<long> shape) =>
        Fed(Array.ConvertAll(new float[Count(shape)], _ => (float)(least + (most - least) * _random.NextDouble())), shape);

    /// <summary>Integers, or booleans, from the least to before the most.</summary>
    public ParityInput Integers<T>(int least, int most, params ReadOnlySpan<long> shape) where T : unmanaged =>
        Fed(Array.ConvertAll(new T[Count(shape)],
            _ => (T)Convert.ChangeType(_random.Next(least, most), typeof(T), null)), shape);

    public static ParityInput Fed<T>(T[] values, params ReadOnlySpan<long> shape) where T
        : unmanaged => new(TensorData.Of<T>(values, shape), IsConstant: false);

    public static ParityInput Constant(ParityInput input) => input with { IsConstant = true };

    public static ParityInput Constant<T>(T[] values, params ReadOnlySpan<long> shape) where T
        : unmanaged => Constant(Fed(values, shape));

    /// <summary>A constant list of integers, such as axes.</summary>
    public static ParityInput List(params long[] values) => Constant(values, values.Length);

    public static ParityInput Scalar<T>(T value) where T : unmanaged => Constant([value]);

    private static int Count(ReadOnlySpan<long> shape) => (int)TensorShape.ElementCount(shape)!.Value;
}

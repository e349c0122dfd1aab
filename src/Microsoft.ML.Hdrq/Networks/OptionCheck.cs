using System.Globalization;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Checks options. The exceptions name the option and, where it belongs to a group, the group.</summary>
internal static class OptionCheck
{
    /// <summary>The most rows that are computed together: more fill any memory, and overflow numbers.</summary>
    public const int MaxBatchSize = 1 << 16;

    /// <summary>The highest learning rate: Adam moves every weight by that much in each step.</summary>
    public const double MaxLearningRate = 1000;

    /// <summary>The largest side of an image, in pixels.</summary>
    public const int MaxSide = 1 << 16;

    // More than any machine has cores: they would all be made.
    private const int MaxThreads = 1024;

    private const int MaxRepetitions = 1_000_000_000;

    /// <summary>Checks a number of rows that are computed together.</summary>
    /// <inheritdoc cref="Range" path="/exception"/>
    public static void BatchSize(string option, int value) => Count(option, value, 1, MaxBatchSize);

    /// <summary>Checks a number of threads; null leaves it to others.</summary>
    /// <inheritdoc cref="Range" path="/exception"/>
    public static void Threads(string option, int? value) => Count(option, value ?? 1, 1, MaxThreads);

    /// <summary>Checks a learning rate.</summary>
    /// <inheritdoc cref="Range" path="/exception"/>
    public static void LearningRate(string option, double? value) =>
        Range(option, value ?? 1, double.Epsilon, MaxLearningRate, $"positive and at most {MaxLearningRate}");

    /// <summary>Checks how often something is done, or how large it is.</summary>
    /// <inheritdoc cref="Range" path="/exception"/>
    public static void Count(string option, int value, int minimum, int maximum = MaxRepetitions) =>
        Range(option, value, minimum, maximum, $"from {minimum} to {maximum}");

    /// <summary>Checks that a value is in a range.</summary>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <param name="minimum">The smallest value that is allowed.</param>
    /// <param name="maximum">The largest value that is allowed.</param>
    /// <param name="range">The range in words, for the message.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is not allowed.</exception>
    public static void Range(string option, double value, double minimum, double maximum, string range)
    {
        // Written so that NaN is refused too.
        if (!(value >= minimum && value <= maximum))
        {
            throw Error(option, value,
                $"{option} is {value.ToString(CultureInfo.InvariantCulture)}; it must be {range}.");
        }
    }

    /// <summary>Checks that a value is defined in its enumeration.</summary>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <param name="kind">The expected kind of value, with its article.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is not allowed.</exception>
    public static void Defined<T>(string option, T value, string kind) where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw Error(option, value, $"{option} is {value}, which is not {kind}.");
    }

    /// <summary>Checks that a value is not null.</summary>
    /// <param name="option">The option.</param>
    /// <param name="value">Its value.</param>
    /// <param name="remedy">An addition to the message; null for none.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is null.</exception>
    public static void Given(string option, object? value, string? remedy = null)
    {
        if (value is null)
            throw Error(option, null, $"{option} is missing{(remedy is null ? "" : $"; {remedy}")}.");
    }

    /// <summary>Creates the exception for an option that is out of range.</summary>
    public static ArgumentOutOfRangeException Error(string option, object? value, string message) =>
        new(option, value, message);
}

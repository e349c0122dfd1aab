namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Creates exceptions with the types and the wording of ML.NET's own estimators.</summary>
internal static class Errors
{
    /// <summary>An option is out of range.</summary>
    public static ArgumentOutOfRangeException Option(string option, object? value, string message) =>
        new(option, value, message);

    /// <summary>An input column is missing.</summary>
    public static ArgumentOutOfRangeException MissingColumn(string column) =>
        new(Parameter, $"Could not find input column '{column}'");

    /// <summary>An input column has another type than expected.</summary>
    public static ArgumentOutOfRangeException SchemaMismatch(string column, string expected, object actual) =>
        new(Parameter, $"Schema mismatch for input column '{column}': expected {expected}, got {actual}");

    // A property rather than a literal, because it names a parameter of the caller.
    private static string Parameter => "inputSchema";
}

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>Exceptions of the types, and with the wording, that ML.NET's own estimators have.</summary>
internal static class Errors
{
    /// <summary>An option that is out of range.</summary>
    public static ArgumentOutOfRangeException Option(string option, object? value, string message) => new(option, value, message);

    /// <summary>An input column that is not there.</summary>
    public static ArgumentOutOfRangeException MissingColumn(string column) => new(Parameter, $"Could not find input column '{column}'");

    /// <summary>An input column of another type than expected.</summary>
    public static ArgumentOutOfRangeException SchemaMismatch(string column, string expected, object actual) =>
        new(Parameter, $"Schema mismatch for input column '{column}': expected {expected}, got {actual}");

    // A property's value, because the name is that of the caller's parameter.
    private static string Parameter => "inputSchema";
}

using System.Text;
using System.Text.Json;
using Microsoft.ML.Hdrq.Networks.Files;

namespace Microsoft.ML.Hdrq.Tool.Results;

/// <summary>Reads and writes results.json.</summary>
internal static class ResultsFile
{
    /// <summary>Writes the results; the file is replaced whole or not at all.</summary>
    /// <param name="path">The file; its folder is created if need be.</param>
    /// <param name="document">The results; accuracies are fractions in [0, 1].</param>
    /// <exception cref="ArgumentException">
    /// An accuracy is not a fraction, or the schema version is not the current one.
    /// </exception>
    public static void Write(string path, ResultsDocument document)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(document);
        if (Fault(document) is { } fault)
            throw new ArgumentException(fault, nameof(document));

        WholeFile.Write(
            path, Encoding.UTF8.GetBytes(
                JsonSerializer.Serialize(document, ResultsJsonContext.Default.ResultsDocument) + "\n"));
    }

    /// <summary>Reads results.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is no results file, or one of an unknown schema version.
    /// </exception>
    public static ResultsDocument Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            // The version first: a file of another version need not have the shape that the records ask for.
            using var json = JsonDocument.Parse(Text(path));
            CheckVersion(json.RootElement, path);
            var document = json.RootElement.Deserialize(ResultsJsonContext.Default.ResultsDocument)!;
            return Fault(document) is { } fault ? throw new InvalidDataException($"'{path}': {fault}") : document;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}' is not a results file: {e.Message}", e);
        }
    }

    /// <summary>
    /// The file's text. Who writes it has it locked for a moment after it has its name: that moment is waited for.
    /// </summary>
    private static string Text(string path)
    {
        const int attempts = 50;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return File.ReadAllText(path);
            }
            catch (IOException exception) when (attempt < attempts
                && exception is not (FileNotFoundException or DirectoryNotFoundException))
            {
                Thread.Sleep(10);
            }
        }
    }

    private static void CheckVersion(JsonElement root, string path)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("schemaVersion", out var version))
            throw new InvalidDataException($"'{path}' is not a results file: it has no schemaVersion.");
        if (version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out var number)
            || number != ResultsDocument.CurrentSchemaVersion)
        {
            throw new InvalidDataException(
                $"'{path}' has schemaVersion {version.GetRawText()}; this program reads version "
                    + $"{ResultsDocument.CurrentSchemaVersion}.");
        }
    }

    private static string? Fault(ResultsDocument document)
    {
        if (document.SchemaVersion != ResultsDocument.CurrentSchemaVersion)
            return $"The schema version is {document.SchemaVersion}, not {ResultsDocument.CurrentSchemaVersion}.";
        foreach (var row in document.Rows)
        {
            // The serializer's null checks do not reach the elements of a list.
            if (row is null)
                return "A row is null.";
            foreach (var (domain, accuracy) in row.Domains)
            {
                if (!IsFraction(accuracy))
                    return NoFraction(row, $", domain '{domain}'", accuracy);
            }
            foreach (var (domain, classes) in row.Classes ?? [])
            {
                foreach (var (name, score) in classes)
                {
                    if (!IsFraction(score))
                        return NoFraction(row, $", domain '{domain}', class '{name}'", score);
                }
            }
            if (row.HarmonicMean is { } mean && !IsFraction(mean))
                return NoFraction(row, ", harmonic mean", mean);
        }
        return null;
    }

    private static string NoFraction(ResultRow row, string what, double value) =>
        FormattableString.Invariant($"Row '{row.Stage}' / '{row.Method}'{what}: {value} is not a fraction in [0, 1].");

    private static bool IsFraction(double value) => value is >= 0 and <= 1;
}

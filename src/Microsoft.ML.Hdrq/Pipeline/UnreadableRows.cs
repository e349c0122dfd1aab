using Microsoft.ML.Data;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Explains why rows cannot be read. ML.NET reads them on several threads, and reports that one of them failed, but
/// neither why nor at which file.
/// </summary>
internal static class UnreadableRows
{
    private static readonly HashSet<string> _extensions = new(StringComparer.OrdinalIgnoreCase)
    {
        ".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".png", ".wbmp", ".webp",
    };

    /// <summary>Makes an exception that names the cause and, if it is an image, the file.</summary>
    /// <param name="data">The data.</param>
    /// <param name="column">The column that was read.</param>
    /// <param name="exception">What was thrown.</param>
    public static InvalidOperationException Explain(IDataView data, string column, Exception exception)
    {
        var cause = exception.GetBaseException();
        var file = data.Schema
            .Where(text => !text.IsHidden && text.Type is TextDataViewType)
            .Select(text => FindFile(data, text))
            .FirstOrDefault(found => found is not null);
        return new InvalidOperationException(
            $"The rows of column '{column}' cannot be read: {file ?? cause.Message}", exception);
    }

    /// <summary>The first image file of a column of paths that is missing or broken, as a sentence.</summary>
    private static string? FindFile(IDataView data, DataViewSchema.Column column)
    {
        string? missing = null;
        var hasFiles = false;
        using var cursor = data.GetRowCursor([column]);
        var getter = cursor.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> value = default;
        while (cursor.MoveNext())
        {
            getter(ref value);
            var path = value.ToString();
            if (!_extensions.Contains(Path.GetExtension(path)))
                continue;
            if (!File.Exists(path))
            {
                missing ??= $"row {cursor.Position} names the file '{path}' in column '{column.Name}', "
                    + "which does not exist.";
                // If no path of the column is that of a file, all may be relative to a folder that is not known.
                hasFiles |= Path.IsPathRooted(path);
                continue;
            }
            hasFiles = true;
            if (!IsImage(path))
            {
                return $"row {cursor.Position} names the file '{path}' in column '{column.Name}', "
                    + "which is not an image that can be read.";
            }
        }
        return hasFiles ? missing : null;
    }

    private static bool IsImage(string path)
    {
        try
        {
            using var image = MLImage.CreateFromFile(path);
            return true;
        }
        catch (Exception exception) when (exception is ArgumentException or IOException or InvalidOperationException)
        {
            return false;
        }
    }
}

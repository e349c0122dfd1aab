using System.Globalization;
using Microsoft.ML.Hdrq.Onnx.Protobuf;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// The folder of a model, from which tensors outside the model file are read. A file may only name files inside this
/// folder: no absolute paths, no parent folders, no links that lead out of it.
/// </summary>
/// <param name="path">The folder.</param>
/// <param name="maxValueSize">The maximum number of bytes of a tensor.</param>
internal sealed class ExternalDataDirectory(string path, long maxValueSize)
{
    /// <summary>
    /// How often the bytes of a file may be read: tensors may share bytes, but a small model must not turn one file
    /// into any amount of memory.
    /// </summary>
    private const int MaxSharing = 4;

    private readonly Lazy<string> _root = new(() => Resolve(new DirectoryInfo(Path.GetFullPath(path))));
    private readonly Dictionary<string, long> _read = new(StringComparer.Ordinal);

    /// <summary>Reads the bytes of a tensor.</summary>
    /// <param name="tensor">The tensor with its location, offset and length.</param>
    /// <param name="size">The number of bytes that its shape and type need.</param>
    /// <exception cref="InvalidDataException">
    /// The location is missing, unsafe or does not exist, or does not hold the bytes.
    /// </exception>
    public byte[] Read(TensorProto tensor, long size)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in tensor.ExternalData)
            fields[entry.Key] = entry.Value;
        if (!fields.TryGetValue("location", out var location))
            throw new InvalidDataException($"Tensor '{tensor.Name}' is in an external file without a location.");
        var offset = Number(tensor, fields, "offset", 0);
        var length = Number(tensor, fields, "length", size);
        if (length != size)
        {
            throw new InvalidDataException(
                $"Tensor '{tensor.Name}' has {length} bytes of external data; its shape and type need {size}.");
        }
        // A sparse file takes no room on the disk, whatever its length.
        if (size > maxValueSize)
            throw TooLarge(tensor, size, maxValueSize);
        try
        {
            return Read(tensor, location, offset, size);
        }
        catch (IOException exception)
        {
            throw new InvalidDataException(
                $"Tensor '{tensor.Name}': the external file '{location}' cannot be read: {exception.Message}",
                exception);
        }
    }

    /// <summary>A tensor takes more memory than a value may.</summary>
    public static InvalidDataException TooLarge(TensorProto tensor, long size, long maxValueSize) =>
        new($"Tensor '{tensor.Name}' takes {size} bytes, more than the {maxValueSize} bytes that "
            + $"{nameof(OnnxLoadOptions)}.{nameof(OnnxLoadOptions.MaxValueSize)} allows.");

    private byte[] Read(TensorProto tensor, string location, long offset, long size)
    {
        var file = Locate(tensor, location);
        // The size is read before the file is opened: opening something that only looks like a file, such as a pipe,
        // might block forever.
        var available = file.Length;
        if (offset > available || size > available - offset)
        {
            throw new InvalidDataException(
                $"Tensor '{tensor.Name}' needs {size} bytes from {offset} of '{location}', which has {available}.");
        }
        if (size == 0)
            return [];
        var read = _read.GetValueOrDefault(file.FullName) + size;
        if (read / MaxSharing > available)
        {
            throw new InvalidDataException(
                $"The tensors in the external file '{location}' need more than {MaxSharing} times "
                + $"the {available} bytes that it has.");
        }
        _read[file.FullName] = read;
        using var stream = file.OpenRead();
        var bytes = new byte[size];
        stream.Position = offset;
        stream.ReadExactly(bytes);
        return bytes;
    }

    private FileInfo Locate(TensorProto tensor, string location)
    {
        // Both separators on every platform: a model made for one platform must not be dangerous on another.
        var parts = location.Split('/', '\\');
        if (parts.Any(part => part is "" or ".." || part.Contains(':') || part.Contains('\0')))
        {
            throw new InvalidDataException(
                $"Tensor '{tensor.Name}' names the external file '{location}'; "
                + "only files in the model's own folder are read.");
        }
        var file = new FileInfo(Path.GetFullPath(Path.Combine([path, .. parts])));
        if (!file.Exists)
        {
            throw new InvalidDataException(
                $"Tensor '{tensor.Name}' is in the external file '{location}', which does not exist beside the model.");
        }
        var target = Resolve(file);
        var inside = Path.EndsInDirectorySeparator(_root.Value)
            ? _root.Value
            : _root.Value + Path.DirectorySeparatorChar;
        if (!target.StartsWith(inside, StringComparison.Ordinal))
        {
            throw new InvalidDataException(
                $"Tensor '{tensor.Name}' names the external file '{location}', "
                + "which is a link to outside the model's folder.");
        }
        return new FileInfo(target);
    }

    /// <summary>Follows every link on a path.</summary>
    private static string Resolve(FileSystemInfo item)
    {
        var target = item.ResolveLinkTarget(returnFinalTarget: true) ?? item;
        var parent = Path.GetDirectoryName(target.FullName);
        return parent is null ? target.FullName : Path.Combine(Resolve(new DirectoryInfo(parent)), target.Name);
    }

    private static long Number(TensorProto tensor, Dictionary<string, string> fields, string key, long defaultValue)
    {
        if (!fields.TryGetValue(key, out var text))
            return defaultValue;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new InvalidDataException(
                $"Tensor '{tensor.Name}' has external data with {key} '{text}', which is not a size.");
    }
}

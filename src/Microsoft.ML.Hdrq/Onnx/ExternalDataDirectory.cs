using System.Globalization;
using Microsoft.ML.Hdrq.Onnx.Protobuf;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// The folder of a model, from which tensors that are not in the model file itself are read. A file may only name files inside this folder:
/// no absolute paths, no way up, no links that lead out of it.
/// </summary>
internal sealed class ExternalDataDirectory(string path)
{
    private readonly string _root = Resolve(new DirectoryInfo(Path.GetFullPath(path)));

    /// <summary>Reads the bytes of a tensor.</summary>
    /// <param name="tensor">The tensor with its location, offset and length.</param>
    /// <param name="size">How many bytes its shape and type need.</param>
    /// <exception cref="InvalidDataException">The location is missing, unsafe or not there, or does not hold the bytes.</exception>
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
            throw new InvalidDataException($"Tensor '{tensor.Name}' has {length} bytes of external data; its shape and type need {size}.");
        var file = Locate(tensor, location);
        using var stream = file.OpenRead();
        if (offset > stream.Length || size > stream.Length - offset)
            throw new InvalidDataException($"Tensor '{tensor.Name}' needs bytes {offset} to {offset + size} of '{location}', which has {stream.Length}.");
        var bytes = new byte[size];
        stream.Position = offset;
        stream.ReadExactly(bytes);
        return bytes;
    }

    private FileInfo Locate(TensorProto tensor, string location)
    {
        // Both separators, whatever the platform: a model made for one must not be dangerous on the other.
        var parts = location.Split('/', '\\');
        if (parts.Any(part => part is "" or "." or ".." || part.Contains(':') || part.Contains('\0')))
            throw new InvalidDataException($"Tensor '{tensor.Name}' names the external file '{location}'; only files in the model's own folder are read.");
        var file = new FileInfo(Path.Combine([_root, .. parts]));
        if (!file.Exists)
            throw new InvalidDataException($"Tensor '{tensor.Name}' is in the external file '{location}', which does not exist beside the model.");
        var target = Resolve(file);
        if (!target.StartsWith(_root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw new InvalidDataException($"Tensor '{tensor.Name}' names the external file '{location}', which is a link to outside the model's folder.");
        return new FileInfo(target);
    }

    /// <summary>A path with every link on the way followed.</summary>
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
            : throw new InvalidDataException($"Tensor '{tensor.Name}' has external data with {key} '{text}', which is not a size.");
    }
}

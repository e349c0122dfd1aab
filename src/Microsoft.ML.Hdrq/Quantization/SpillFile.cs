using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// A temporary file that is deleted with this object, also when the process ends without disposing it.
/// </summary>
internal sealed class SpillFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    /// <summary>Creates an empty file.</summary>
    /// <param name="directory">The folder.</param>
    /// <exception cref="IOException">The file cannot be created.</exception>
    public SpillFile(string directory)
    {
        var path = Path.Combine(directory, $"hdrq-{Guid.NewGuid():N}.tmp");
        _handle = File.OpenHandle(
            path,
            FileMode.CreateNew,
            FileAccess.ReadWrite,
            OperatingSystem.IsWindows() ? FileShare.None : FileShare.Delete,
            FileOptions.DeleteOnClose);
        // Except on Windows, an open file can be deleted at once, so that it cannot be left behind.
        if (!OperatingSystem.IsWindows())
            File.Delete(path);
    }

    /// <summary>Writes bytes.</summary>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes) => RandomAccess.Write(_handle, bytes, offset);

    /// <summary>Reads enough bytes to fill a span.</summary>
    /// <exception cref="EndOfStreamException">The file has fewer bytes.</exception>
    public void Read(long offset, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = RandomAccess.Read(_handle, bytes, offset);
            if (count == 0)
                throw new EndOfStreamException("A cache of activations ends too early.");
            offset += count;
            bytes = bytes[count..];
        }
    }

    public void Dispose() => _handle.Dispose();
}

using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>A temporary file that is gone with this object, also when the process ends without it.</summary>
internal sealed class SpillFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    /// <summary>Makes an empty file.</summary>
    /// <param name="directory">The folder.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public SpillFile(string directory)
    {
        var path = Path.Combine(directory, $"hdrq-{Guid.NewGuid():N}.tmp");
        _handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, OperatingSystem.IsWindows() ? FileShare.None : FileShare.Delete, FileOptions.DeleteOnClose);
        // Elsewhere than on Windows an open file may lose its name at once, and then nothing can leave it behind.
        if (!OperatingSystem.IsWindows())
            File.Delete(path);
    }

    /// <summary>Writes bytes.</summary>
    /// <exception cref="IOException">The disk is full, or fails.</exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes) => RandomAccess.Write(_handle, bytes, offset);

    /// <summary>Reads as many bytes as there is room for.</summary>
    /// <exception cref="EndOfStreamException">Fewer were written.</exception>
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

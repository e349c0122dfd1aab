using System.Buffers;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>
/// A whole file in memory that is given back at once: an array of a file's size would stay until .NET collects its
/// largest objects, and a merge of many files would take the memory of several of them.
/// </summary>
internal sealed unsafe class FileBytes : MemoryManager<byte>
{
    private readonly int _length;
    private byte* _bytes;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file, of at most <see cref="Array.MaxLength"/> bytes.</param>
    /// <exception cref="IOException">It cannot be read, or has become shorter meanwhile.</exception>
    public FileBytes(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        // What has no length yet, such as a pipe, is read to its end.
        using var copy = file.CanSeek && file.Length > 0 ? null : new MemoryStream();
        if (copy is not null)
        {
            file.CopyTo(copy);
            copy.Position = 0;
        }
        var source = copy ?? (Stream)file;
        _length = checked((int)source.Length);
        _bytes = (byte*)NativeMemory.Alloc((nuint)_length);
        try
        {
            source.ReadExactly(GetSpan());
        }
        catch
        {
            Free();
            throw;
        }
    }

    public override Span<byte> GetSpan() => new(_bytes, _length);

    // Native memory does not move.
    public override MemoryHandle Pin(int elementIndex = 0) => new(_bytes + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing) => Free();

    private void Free()
    {
        NativeMemory.Free(_bytes);
        _bytes = null;
    }
}

namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>What image files end with, so that most need not be decoded to know that nothing of them is missing.</summary>
internal static class ImageEnd
{
    /// <summary>The chunk IEND of PNG, with its checksum, and the marker EOI of JPEG.</summary>
    private static readonly byte[][] _ends = [[.. "IEND"u8, 0xAE, 0x42, 0x60, 0x82], [0xFF, 0xD9]];

    /// <summary>
    /// Whether a file ends as whole PNG and JPEG files do. Others may be whole too: some programs write more behind the
    /// image, and other formats have no such end.
    /// </summary>
    public static bool IsThere(string path)
    {
        using var file = File.OpenHandle(path);
        Span<byte> tail = stackalloc byte[8];
        var length = RandomAccess.GetLength(file);
        tail = tail[..RandomAccess.Read(file, tail, Math.Max(0, length - tail.Length))];
        foreach (var end in _ends)
        {
            if (tail.EndsWith(end))
                return true;
        }
        return false;
    }
}

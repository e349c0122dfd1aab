using System.Buffers.Binary;
using System.IO.Compression;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>
/// Writes PNG files of one sample a pixel, with every bit depth, filter and interlacing, by the text of the standard.
/// </summary>
internal static class SmallPng
{
    /// <summary>Makes a file.</summary>
    /// <param name="samples">The samples, [height, width].</param>
    /// <param name="bits">Bits a pixel: 1, 2, 4 or 8.</param>
    /// <param name="colorType">0 for grey, 3 for a palette, here one that reverses the order of the colours.</param>
    /// <param name="filter">The filter of line y.</param>
    /// <param name="isInterlaced">Whether there are seven passes.</param>
    public static byte[] Encode(
        byte[,] samples, int bits = 8, byte colorType = 0, Func<int, byte>? filter = null, bool isInterlaced = false)
    {
        var (height, width) = (samples.GetLength(0), samples.GetLength(1));
        using var file = new MemoryStream();
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = ((byte)bits, colorType, (byte)(isInterlaced ? 1 : 0));
        Chunk(file, "IHDR", header);
        if (colorType == 3)
            Chunk(file, "PLTE", [.. Enumerable.Range(0, 1 << bits)
                .SelectMany(i => new[] { (byte)(255 - i), (byte)(255 - i), (byte)(255 - i) })]);
        using var data = new MemoryStream();
        using (var compressor = new ZLibStream(data, CompressionLevel.Optimal, leaveOpen: true))
        {
            foreach (var (x0, y0, stepX, stepY) in isInterlaced
                ? [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
                : new[] { (0, 0, 1, 1) })
            {
                if (x0 >= width)
                    continue;
                var previous = Array.Empty<byte>();
                for (var (y, line) = (y0, 0); y < height; y += stepY, line++)
                {
                    var row = Pack([.. Enumerable.Range(0, width).Where(x => x >= x0 && (x - x0) % stepX == 0)
                        .Select(x => samples[y, x])], bits);
                    var kind = filter?.Invoke(line) ?? 0;
                    compressor.WriteByte(kind);
                    compressor.Write([.. row.Select(
                        (value, i) => (byte)(value - Prediction(
                            kind, i > 0 ? row[i - 1] : 0, line > 0 ? previous[i] : 0,
                            i > 0 && line > 0 ? previous[i - 1] : 0)))]);
                    previous = row;
                }
            }
        }
        // In two parts, as encoders do.
        var bytes = data.ToArray();
        Chunk(file, "IDAT", bytes[..(bytes.Length / 2)]);
        Chunk(file, "IDAT", bytes[(bytes.Length / 2)..]);
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    private static byte[] Pack(byte[] samples, int bits)
    {
        var bytes = new byte[(samples.Length * bits + 7) / 8];
        for (var bit = 0; bit < samples.Length * bits; bit++)
        {
            if ((samples[bit / bits] >> (bits - 1 - bit % bits) & 1) != 0)
                bytes[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }
        return bytes;
    }

    private static int Prediction(byte filter, int a, int b, int c)
    {
        var p = a + b - c;
        return filter switch
        {
            1 => a,
            2 => b,
            3 => (a + b) / 2,
            4 => Math.Abs(p - a) <= Math.Abs(p - b) && Math.Abs(p - a) <= Math.Abs(p - c) ? a
                : Math.Abs(p - b) <= Math.Abs(p - c) ? b : c,
            _ => 0,
        };
    }

    private static void Chunk(Stream stream, string type, byte[] data)
    {
        var body = System.Text.Encoding.ASCII.GetBytes(type).Concat(data).ToArray();
        var number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        stream.Write(number);
        stream.Write(body);
        var crc = uint.MaxValue;
        foreach (var value in body)
        {
            crc ^= value;
            for (var i = 0; i < 8; i++)
                crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
        }
        BinaryPrimitives.WriteUInt32BigEndian(number, ~crc);
        stream.Write(number);
    }
}

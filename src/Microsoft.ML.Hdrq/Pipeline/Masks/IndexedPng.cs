using System.Buffers.Binary;
using System.IO.Compression;

namespace Microsoft.ML.Hdrq.Pipeline.Masks;

/// <summary>
/// Reads the samples of PNG files (ISO/IEC 15948) with one sample per pixel: grey levels, or palette indices rather
/// than the palette's colours. Image libraries such as SkiaSharp give the colours.
/// </summary>
internal static class IndexedPng
{
    /// <summary>
    /// The maximum number of pixels: more than any mask has, to limit what a damaged or malicious file can request.
    /// </summary>
    private const int MaxPixels = 1 << 28;

    private const int Grey = 0;
    private const int Palette = 3;

    private static readonly byte[] _signature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>
    /// The seven passes of interlaced files: first column and row, and the steps between columns and rows.
    /// </summary>
    private static readonly (int X, int Y, int StepX, int StepY)[] _passes =
    [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ];

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The samples, row after row, and the sizes in pixels.</returns>
    /// <exception cref="InvalidDataException">
    /// The file is not a PNG file, is damaged, or its samples are not grey levels or palette indices of 1, 2, 4 or 8
    /// bits; the message names the file.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static (byte[] Samples, int Width, int Height) Read(string path)
    {
        try
        {
            return Decode(File.ReadAllBytes(path));
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidDataException($"'{path}' cannot be read as a mask: {exception.Message}", exception);
        }
    }

    private static (byte[] Samples, int Width, int Height) Decode(byte[] file)
    {
        if (!file.AsSpan().StartsWith(_signature))
            throw new InvalidDataException("it is not a PNG file.");
        ReadOnlySpan<byte> header = default;
        using var compressed = new MemoryStream();
        for (var rest = file.AsSpan(_signature.Length); rest.Length >= 12;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (length > rest.Length - 12)
                throw new InvalidDataException("it ends in the middle.");
            var type = rest.Slice(4, 4);
            var data = rest.Slice(8, (int)length);
            if (type.SequenceEqual("IHDR"u8))
                header = data;
            else if (type.SequenceEqual("IDAT"u8))
                compressed.Write(data);
            rest = rest[(12 + (int)length)..];
        }
        if (header.Length != 13)
            throw new InvalidDataException("it has no header.");
        var width = BinaryPrimitives.ReadUInt32BigEndian(header);
        var height = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
        var (bits, color, isInterlaced) = ((int)header[8], header[9], header[12] == 1);
        if (width == 0 || height == 0 || (ulong)width * height > MaxPixels)
            throw new InvalidDataException($"it has {width} x {height} pixels.");
        if (color is not (Grey or Palette) || bits is not (1 or 2 or 4 or 8))
        {
            throw new InvalidDataException(
                $"it has {bits} bits and colour type {color}; a mask is grey (colour type {Grey}) "
                + $"or indexed (colour type {Palette}) with 8 bits or fewer a pixel.");
        }

        compressed.Position = 0;
        using var stream = new ZLibStream(compressed, CompressionMode.Decompress);
        var samples = new byte[width * height];
        foreach (var pass in isInterlaced ? _passes : [(0, 0, 1, 1)])
            ReadPass(stream, samples, (int)width, (int)height, bits, pass);
        // The stream verifies its checksum only at its end.
        stream.ReadByte();
        return (samples, (int)width, (int)height);
    }

    private static void ReadPass(
        Stream stream, byte[] samples, int width, int height, int bits, (int X, int Y, int StepX, int StepY) pass)
    {
        var columns = (width - pass.X + pass.StepX - 1) / pass.StepX;
        if (columns <= 0)
            return;
        // The first byte of a line is its filter.
        var (line, above) = (new byte[1 + (columns * bits + 7) / 8], new byte[1 + (columns * bits + 7) / 8]);
        for (var y = pass.Y; y < height; y += pass.StepY)
        {
            stream.ReadExactly(line);
            Unfilter(line, above);
            for (var i = 0; i < columns; i++)
            {
                var shift = 8 - bits - i * bits % 8;
                var sample = line[1 + i * bits / 8] >> shift & ((1 << bits) - 1);
                samples[y * width + pass.X + i * pass.StepX] = (byte)sample;
            }
            (line, above) = (above, line);
        }
    }

    /// <summary>Adds the prediction from the bytes to the left and above; a pixel has at most one byte.</summary>
    private static void Unfilter(byte[] line, byte[] above)
    {
        var (left, aboveLeft) = ((byte)0, (byte)0);
        for (var i = 1; i < line.Length; i++)
        {
            line[i] += line[0] switch
            {
                0 => 0,
                1 => left,
                2 => above[i],
                3 => (byte)((left + above[i]) / 2),
                4 => Paeth(left, above[i], aboveLeft),
                var other => throw new InvalidDataException(
                    $"a line has the filter {other}, which PNG does not define."),
            };
            (left, aboveLeft) = (line[i], above[i]);
        }
    }

    private static byte Paeth(byte left, byte above, byte aboveLeft)
    {
        var estimate = left + above - aboveLeft;
        var (a, b, c) = (Math.Abs(estimate - left), Math.Abs(estimate - above), Math.Abs(estimate - aboveLeft));
        return a <= b && a <= c ? left : b <= c ? above : aboveLeft;
    }
}

using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>
/// Keeps finished parts of a job in a folder, so that the job goes on after them when it was stopped. Jobs may share a
/// folder: the names of files begin with the job's hash. Whatever cannot be read, or belongs to another job, is as if
/// it were not there, and what cannot be written is only warned of: the work itself never fails because of it.
/// </summary>
internal sealed class CheckpointStore
{
    /// <summary>The name of the option for the folder, wherever there is one.</summary>
    public const string OptionName = "CheckpointDirectory";

    /// <summary>The digits of the job's hash in the names of files.</summary>
    private const int NameLength = 16;

    private readonly string _directory;
    private readonly byte[] _job;
    private readonly Action<string>? _warn;
    private bool _hasWarned;

    private CheckpointStore(string directory, byte[] job, Action<string>? warn) =>
        (_directory, _job, _warn) = (directory, job, warn);

    /// <summary>Opens a folder.</summary>
    /// <param name="directory">The folder, created when it is first written to; null for no store.</param>
    /// <param name="job">What the result depends on; not asked for where there is no folder.</param>
    /// <param name="warn">Told once that something could not be written; null if nobody asks.</param>
    public static CheckpointStore? Open(string? directory, Func<JobHash> job, Action<string>? warn)
    {
        if (directory is null)
            return null;
        using var hash = job();
        return new CheckpointStore(directory, hash.ToArray(), warn);
    }

    /// <summary>Checks the option for the folder.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It cannot be a folder.</exception>
    public static void Check(string? directory)
    {
        if (directory is not null && (string.IsNullOrWhiteSpace(directory) || directory.Contains('\0')
            || File.Exists(directory)))
        {
            throw OptionCheck.Error(OptionName, directory, $"{OptionName} is '{directory}', which is not a folder.");
        }
    }

    /// <summary>Reads a part.</summary>
    /// <param name="part">The part's name, for a file.</param>
    /// <param name="read">
    /// Reads what <see cref="Write"/> has written, and gives what takes it over; nothing may change before that.
    /// </param>
    /// <returns>Whether it was there and has been taken over.</returns>
    public bool TryRead(string part, Func<BinaryReader, Action> read)
    {
        Action takeOver;
        try
        {
            using var file = File.OpenRead(PathOf(part));
            var header = Header(part);
            if (!IsWhole(file, header))
                return false;
            file.Position = header.Length;
            using var reader = new BinaryReader(file);
            takeOver = read(reader);
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return false;
        }
        takeOver();
        return true;
    }

    /// <summary>Writes a part; replaces what was there.</summary>
    /// <param name="part">The part's name, for a file.</param>
    /// <param name="write">Writes it.</param>
    public void Write(string part, Action<BinaryWriter> write)
    {
        try
        {
            WholeFile.Write(PathOf(part), file =>
            {
                using var hash = SHA256.Create();
                using (var hashed = new CryptoStream(file, hash, CryptoStreamMode.Write, leaveOpen: true))
                using (var writer = new BinaryWriter(hashed))
                {
                    writer.Write(Header(part));
                    write(writer);
                }
                file.Write(hash.Hash);
            });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (_hasWarned)
                return;
            _hasWarned = true;
            _warn?.Invoke(
                $"no checkpoint can be written to '{_directory}', and the work goes on without: {exception.Message}");
        }
    }

    private string PathOf(string part) =>
        Path.Combine(_directory, $"{Convert.ToHexStringLower(_job)[..NameLength]}-{part}.checkpoint");

    private byte[] Header(string part) =>
        [.. "HDRQ checkpoint 1\n"u8, .. _job, .. Encoding.UTF8.GetBytes(part), (byte)'\n'];

    /// <summary>Whether a file begins with a header and ends with the hash of all before.</summary>
    private static bool IsWhole(FileStream file, byte[] header)
    {
        var content = file.Length - SHA256.HashSizeInBytes;
        if (content < header.Length)
            return false;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 16];
        for (long position = 0; position < content;)
        {
            var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, content - position));
            file.ReadExactly(piece);
            if (position == 0 && !piece.StartsWith(header))
                return false;
            hash.AppendData(piece);
            position += piece.Length;
        }
        var expected = new byte[SHA256.HashSizeInBytes];
        file.ReadExactly(expected);
        return hash.GetHashAndReset().AsSpan().SequenceEqual(expected);
    }
}

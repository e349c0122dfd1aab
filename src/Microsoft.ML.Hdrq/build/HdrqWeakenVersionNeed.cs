// Compiled by MSBuild (RoslynCodeTaskFactory) when Microsoft.ML.Hdrq.targets needs it; no part of the assembly.
using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Writes a copy of an ELF library in which one required symbol version is marked weak (<c>VER_FLG_WEAK</c>), so that
/// glibc loads it where a dependency does not define that version. Writes no copy when that is not needed, or when the
/// file is not such a library.
/// </summary>
public sealed class HdrqWeakenVersionNeed : Task
{
    private const uint VersionNeedSection = 0x6ffffffe;
    private const int SectionHeaderSize = 64;
    private const ushort WeakFlag = 2;

    /// <summary>The library to copy. It is only read.</summary>
    [Required]
    public string Source { get; set; }

    /// <summary>The copy to write.</summary>
    [Required]
    public string Destination { get; set; }

    /// <summary>A file that is always written: it records that the question has been answered.</summary>
    [Required]
    public string Answer { get; set; }

    /// <summary>The system library that may lack the version, such as <c>libstdc++.so.6</c>.</summary>
    [Required]
    public string Library { get; set; }

    /// <summary>The required version, such as <c>GLIBCXX_3.4.32</c>.</summary>
    [Required]
    public string Version { get; set; }

    /// <summary>A symbol that <see cref="Library"/> defines if, and only if, it has <see cref="Version"/>.</summary>
    [Required]
    public string Symbol { get; set; }

    /// <summary>
    /// Whether to write the copy only if this machine's <see cref="Library"/> lacks <see cref="Version"/>.
    /// </summary>
    public bool OnlyIfLacking { get; set; }

    public override bool Execute()
    {
        try
        {
            var answer = "not needed: " + Library + " has " + Version;
            if (!OnlyIfLacking || !SystemHasVersion())
                answer = WriteCopy();
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(Answer)));
            File.WriteAllText(Answer, answer);
            Log.LogMessage(MessageImportance.Low, "{0}: {1}", Source, answer);
        }
        catch (Exception e) when (e is IOException || e is UnauthorizedAccessException)
        {
            Log.LogErrorFromException(e);
        }

        return !Log.HasLoggedErrors;
    }

    private string WriteCopy()
    {
        var image = File.ReadAllBytes(Source);
        var flags = FindFlags(image, Version);
        if (flags < 0)
            return "left alone: no 64-bit little-endian ELF library that needs " + Version;

        image[flags] |= (byte)WeakFlag;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(Destination)));
        // Written rather than copied: the copy's time must differ, because MSBuild treats files of equal size and time
        // as equal. Moved into place, because an interrupted build must not leave half a library.
        var unfinished = Destination + "." + Guid.NewGuid().ToString("N");
        File.WriteAllBytes(unfinished, image);
        if (File.Exists(Destination))
            File.Delete(Destination);
        File.Move(unfinished, Destination);
        return "copied with a weak need for " + Version;
    }

    private bool SystemHasVersion()
    {
        try
        {
            const int lazy = 1;
            var library = dlopen(Library, lazy);
            return library != IntPtr.Zero && dlvsym(library, Symbol, Version) != IntPtr.Zero;
        }
        catch (Exception e) when (e is DllNotFoundException || e is EntryPointNotFoundException)
        {
            // No glibc, so no dlvsym. A weak need does no harm.
            return false;
        }
    }

    /// <summary>The offset of <c>vna_flags</c> of the entry for <paramref name="version"/>, or -1.</summary>
    private static int FindFlags(byte[] image, string version)
    {
        if (image.Length < SectionHeaderSize
            || image[0] != 0x7f || image[1] != 'E' || image[2] != 'L' || image[3] != 'F')
        {
            return -1;
        }
        const byte class64 = 2, littleEndian = 1;
        if (image[4] != class64 || image[5] != littleEndian || !BitConverter.IsLittleEndian)
            return -1;

        try
        {
            var headers = Offset(image, 40);
            if (BitConverter.ToUInt16(image, 58) != SectionHeaderSize)
                return -1;
            var count = BitConverter.ToUInt16(image, 60);
            for (var i = 0; i < count; i++)
            {
                var header = checked(headers + i * SectionHeaderSize);
                if (BitConverter.ToUInt32(image, header + 4) != VersionNeedSection)
                    continue;
                var strings = checked(headers + BitConverter.ToInt32(image, header + 40) * SectionHeaderSize);
                return FindFlags(image, Offset(image, header + 24), Offset(image, strings + 24), version);
            }
        }
        catch (Exception e) when (e is ArgumentException || e is OverflowException || e is IndexOutOfRangeException)
        {
            // An offset points outside of the file: not a library that we understand.
        }

        return -1;
    }

    private static int FindFlags(byte[] image, int need, int strings, string version)
    {
        var name = Encoding.ASCII.GetBytes(version + "\0");
        while (true)
        {
            var entries = BitConverter.ToUInt16(image, need + 2);
            var entry = checked(need + BitConverter.ToInt32(image, need + 8));
            for (var i = 0; i < entries; i++)
            {
                if (Matches(image, checked(strings + BitConverter.ToInt32(image, entry + 8)), name))
                    return (BitConverter.ToUInt16(image, entry + 4) & WeakFlag) == 0 ? entry + 4 : -1;
                entry = Next(image, entry);
            }

            if (BitConverter.ToInt32(image, need + 12) == 0)
                return -1;
            need = Next(image, need);
        }
    }

    /// <summary>
    /// Both structures are 16 bytes and end with the distance to the next. Only forwards, so that a broken file cannot
    /// loop.
    /// </summary>
    private static int Next(byte[] image, int at)
    {
        var distance = BitConverter.ToInt32(image, at + 12);
        return distance >= 0 ? checked(at + distance) : throw new ArgumentException("The list runs backwards.");
    }

    private static bool Matches(byte[] image, int at, byte[] text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (image[at + i] != text[i])
                return false;
        }

        return true;
    }

    private static int Offset(byte[] image, int at)
    {
        return checked((int)BitConverter.ToUInt64(image, at));
    }

    [DllImport("libdl.so.2", CharSet = CharSet.Ansi)]
    private static extern IntPtr dlopen(string file, int flags);

    [DllImport("libdl.so.2", CharSet = CharSet.Ansi)]
    private static extern IntPtr dlvsym(IntPtr handle, string symbol, string version);
}

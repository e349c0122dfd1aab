using System.Text;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>
/// A 64-bit ELF file of three sections (none, strings, version needs), written from the format's specification.
/// </summary>
internal static class SmallElf
{
    private const int HeaderSize = 64;
    private const int EntrySize = 16;

    /// <summary>
    /// A file that needs <paramref name="versions"/> of one library, and the offset of each entry's <c>vna_flags</c>.
    /// </summary>
    public static (byte[] File, int[] Flags) Create(params string[] versions)
    {
        var strings = new MemoryStream();
        strings.WriteByte(0);
        var names = versions.Prepend("libstdc++.so.6").Select(text =>
        {
            var at = (int)strings.Position;
            strings.Write(Encoding.ASCII.GetBytes(text + "\0"));
            return at;
        }).ToArray();

        var needs = HeaderSize + (int)strings.Length;
        var sections = needs + (1 + versions.Length) * EntrySize;
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.Write((ushort)3);                // e_type: a shared object
        writer.Write((ushort)62);               // e_machine: x86-64
        writer.Write(1);                        // e_version
        writer.Write(0L);                       // e_entry
        writer.Write(0L);                       // e_phoff
        writer.Write((long)sections);           // e_shoff
        writer.Write(0);                        // e_flags
        foreach (var value in new ushort[] { HeaderSize, 0, 0, 64, 3, 1 })
            writer.Write(value);                // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
        writer.Write(strings.ToArray());

        writer.Write((ushort)1);                // vn_version
        writer.Write((ushort)versions.Length);  // vn_cnt
        writer.Write(names[0]);                 // vn_file
        writer.Write(EntrySize);                // vn_aux
        writer.Write(0);                        // vn_next: none
        var flags = new int[versions.Length];
        for (var i = 0; i < versions.Length; i++)
        {
            writer.Write(0x01020304);           // vna_hash
            flags[i] = (int)stream.Position;
            writer.Write((ushort)0);            // vna_flags
            writer.Write((ushort)(i + 2));      // vna_other
            writer.Write(names[i + 1]);         // vna_name
            writer.Write(i + 1 < versions.Length ? EntrySize : 0);
        }

        WriteSection(writer, 0, 0, 0, 0, 0);
        WriteSection(writer, 3, HeaderSize, (int)strings.Length, 0, 0);
        WriteSection(writer, 0x6ffffffe, needs, sections - needs, 1, 1);
        return (stream.ToArray(), flags);
    }

    private static void WriteSection(BinaryWriter writer, uint type, long offset, long size, int link, int info)
    {
        writer.Write(0);        // sh_name
        writer.Write(type);
        writer.Write(0L);       // sh_flags
        writer.Write(0L);       // sh_addr
        writer.Write(offset);
        writer.Write(size);
        writer.Write(link);
        writer.Write(info);
        writer.Write(1L);       // sh_addralign
        writer.Write(0L);       // sh_entsize
    }
}

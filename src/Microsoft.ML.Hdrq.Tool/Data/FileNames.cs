using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>Names of files that are made of names of domains: short and stable, whatever folders are called.</summary>
internal static class FileNames
{
    /// <summary>
    /// Longer names are cut off; with every ending that follows they stay far below what file systems take.
    /// </summary>
    private const int Longest = 80;

    private const int HashDigits = 8;

    /// <summary>
    /// The name itself where it is short and of letters, digits, dots, underscores, plus and minus signs; else what
    /// remains of it, and the beginning of its SHA-256.
    /// </summary>
    public static string Of(string name)
    {
        var plain = string.Concat(
            name.Select(letter => char.IsLetterOrDigit(letter) || letter is '.' or '_' or '+' or '-' ? letter : '-'));
        // File systems count bytes.
        if (plain == name && Encoding.UTF8.GetByteCount(plain) <= Longest)
            return name;
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..HashDigits];
        while (Encoding.UTF8.GetByteCount(plain) > Longest - HashDigits - 1)
            plain = plain[..^1];
        return $"{plain}-{hash}";
    }
}

using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>
/// Options whose values are checked when the command line is read, each with one sentence for a wrong one.
/// </summary>
internal static class Arguments
{
    /// <summary>A whole number.</summary>
    public static Option<int> Integer(string name, string description, int minimum, int maximum, int standard) =>
        new(name)
        {
            Description = $"{description} Default: {standard.ToString(CultureInfo.InvariantCulture)}.",
            CustomParser = result => ParseInteger(result, name, minimum, maximum) ?? standard,
            DefaultValueFactory = _ => standard,
        };

    /// <summary>A whole number that need not be given.</summary>
    public static Option<int?> OptionalInteger(string name, string description, int minimum, int maximum) => new(name)
    {
        Description = description,
        CustomParser = result => ParseInteger(result, name, minimum, maximum),
    };

    /// <summary>Several whole numbers, each at most once.</summary>
    public static Option<int[]> Integers(string name, string description, int minimum, int maximum) => new(name)
    {
        Description = description,
        AllowMultipleArgumentsPerToken = true,
        CustomParser = result =>
            Distinct(result, name,
            [.. result.Tokens.Select(token => ParseInteger(result, token.Value, name, minimum, maximum))
            .OfType<int>()]),
    };

    /// <summary>A number that need not be given.</summary>
    public static Option<double?> OptionalNumber(string name, string description, double minimum, double maximum) =>
        new(name)
        {
            Description = description,
            CustomParser = result => ParseNumber(result, result.Tokens[^1].Value, name, minimum, maximum),
        };

    /// <summary>Several numbers.</summary>
    /// <param name="name">The option.</param>
    /// <param name="description">What they are for.</param>
    /// <param name="minimum">The smallest.</param>
    /// <param name="maximum">The largest.</param>
    /// <param name="areDistinct">Whether each may be given once only.</param>
    public static Option<double[]> Numbers(
        string name, string description, double minimum, double maximum, bool areDistinct = false) => new(name)
        {
            Description = description,
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result =>
            {
                double[] numbers =
                    [.. result.Tokens.Select(token => ParseNumber(result, token.Value, name, minimum, maximum))
                .OfType<double>()];
                return areDistinct ? Distinct(result, name, numbers) : numbers;
            },
        };

    /// <summary>One of some words, need not be given.</summary>
    public static Option<string?> Choice(string name, string description, params IReadOnlyList<string> words) =>
        new(name)
        {
            Description = description,
            CustomParser = result => ParseWord(result, result.Tokens[^1].Value, name, words),
        };

    /// <summary>Several of some words, each at most once.</summary>
    public static Option<string[]> Choices(string name, string description, params IReadOnlyList<string> words) =>
        new(name)
        {
            Description = description,
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result =>
                Distinct(result, name,
                [.. result.Tokens.Select(token => ParseWord(result, token.Value, name, words)).OfType<string>()]),
        };

    /// <summary>Several names, each at most once.</summary>
    public static Option<string[]> Names(string name, string description) => new(name)
    {
        Description = description,
        AllowMultipleArgumentsPerToken = true,
        CustomParser = result => Distinct(result, name, [.. result.Tokens.Select(token => token.Value)]),
    };

    /// <summary>A file that is there.</summary>
    public static Option<string?> File(string name, string description, bool isRequired = false) => new(name)
    {
        Description = description,
        Required = isRequired,
        CustomParser = result => ParseFile(result, name, result.Tokens[^1].Value),
    };

    /// <summary>A folder that is there.</summary>
    public static Option<string?> Folder(string name, string description, bool isRequired = false) => new(name)
    {
        Description = description,
        Required = isRequired,
        CustomParser = result =>
        {
            var path = result.Tokens[^1].Value;
            if (!Directory.Exists(path))
                result.AddError(
                    System.IO.File.Exists(path) ? $"{name} {path}: that is a file, not a folder."
                    : $"{name} {path}: there is no such folder.");
            return path;
        },
    };

    /// <summary>A file that is written.</summary>
    /// <param name="name">The option.</param>
    /// <param name="description">What it is for.</param>
    /// <param name="ending">What its name ends with.</param>
    /// <param name="isRequired">Whether it must be given.</param>
    public static Option<string?> NewFile(string name, string description, string ending, bool isRequired = false) =>
        new(name)
        {
            Description = description,
            Required = isRequired,
            CustomParser = result =>
            {
                var path = result.Tokens[^1].Value;
                if (!path.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
                    result.AddError($"{name} {path}: the name of the file must end in {ending}.");
                else if (Directory.Exists(path))
                    result.AddError($"{name} {path}: that is a folder; name the file in it.");
                else if ((NameFault(path) ?? OutputFolderFault(Path.GetDirectoryName(Path.GetFullPath(path))!)) is
                { } fault)
                    result.AddError($"{name} {path}: {fault}");
                return path;
            },
        };

    /// <summary>A folder that is written to.</summary>
    public static Option<string?> NewFolder(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result =>
        {
            var path = result.Tokens[^1].Value;
            if (path.Length == 0)
                result.AddError($"{name}: the name of the folder is empty.");
            else if ((NameFault(path) ?? OutputFolderFault(Path.GetFullPath(path))) is { } fault)
                result.AddError($"{name} {path}: {fault}");
            return path;
        },
    };

    /// <summary>Pairs of bits such as <c>4,4</c>.</summary>
    public static Option<(int Weights, int Activations)[]> Bits(string description) => new("--bits")
    {
        Description = description,
        AllowMultipleArgumentsPerToken = true,
        CustomParser = result =>
        {
            var pairs = new List<(int, int)>();
            foreach (var token in result.Tokens)
            {
                var parts = token.Value.Split(',');
                if (parts.Length == 2 && Number(parts[0]) is { } weights && Number(parts[1]) is { } activations)
                    pairs.Add((weights, activations));
                else
                    result.AddError(
                        $"--bits {token.Value}: it takes the bits of weights and activations, 2 to 8 each, such as "
                        + "4,4.");
            }
            if (pairs.Distinct().Count() < pairs.Count)
                result.AddError($"--bits: a pair is given twice in {string.Join(' ', result.Tokens)}.");
            return [.. pairs];

            static int? Number(string text) =>
                int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                && number is >= 2 and <= 8 ? number : null;
        },
    };

    /// <summary>Looks whether a file that is written would take the place of one that is read.</summary>
    /// <exception cref="UsageException">It would.</exception>
    public static void CheckApart(string output, params IEnumerable<string?> inputs)
    {
        if (inputs.OfType<string>()
            .FirstOrDefault(input => RealPath(input) == RealPath(output)) is not null)
            throw new UsageException($"--output {output}: that file is read too; give another name.");
    }

    /// <summary>What an exception says, without the name of a parameter that a person at a terminal never gave.</summary>
    public static string Sentence(ArgumentException exception) => exception.Message.Split(" (Parameter")[0];

    /// <summary>The full path of a file or folder, without the links on it; what is not there may be its end.</summary>
    public static string RealPath(string path)
    {
        var full = Path.GetFullPath(path);
        if (Path.GetDirectoryName(full) is not { } folder)
            return full;
        FileSystemInfo entry = Directory.Exists(full) ? new DirectoryInfo(full) : new FileInfo(full);
        return entry.LinkTarget is not null && entry.ResolveLinkTarget(returnFinalTarget: true) is { } target
            && target.FullName != full
                ? RealPath(target.FullName)
                : Path.Combine(RealPath(folder), Path.GetFileName(full));
    }

    /// <summary>A file of an argument.</summary>
    public static string ParseFile(SymbolResult result, string name, string path)
    {
        if (!System.IO.File.Exists(path))
            result.AddError(
                Directory.Exists(path) ? $"{name} {path}: that is a folder, not a file."
                : $"{name} {path}: there is no such file.");
        else if (IsPipeOrDevice(path))
            result.AddError($"{name} {path}: {PipeOrDevice}");
        return path;
    }

    /// <summary>What is said of a pipe or a device.</summary>
    public const string PipeOrDevice = "that is a pipe or a device, not a file.";

    /// <summary>Files are read more than once, which a pipe cannot be, and a device may have no end.</summary>
    public static bool IsPipeOrDevice(string path)
    {
        var given = new FileInfo(path);
        if ((given.ResolveLinkTarget(returnFinalTarget: true) ?? given) is not FileInfo { Exists: true } file)
            return true;
        if (file.Length > 0 || OperatingSystem.IsWindows())
            return false;
        if (file.FullName.StartsWith("/dev/", StringComparison.Ordinal))
            return true;
        try
        {
            // To read and to write a pipe is opened without waiting for its other end.
            using var opened = new FileStream(file.FullName, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return !opened.CanSeek;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>What is wrong with the names of a path: file systems end them at 255 bytes.</summary>
    private static string? NameFault(string path)
    {
        const int longest = 255;
        return path.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar)
            .Select(Encoding.UTF8.GetByteCount)
            .FirstOrDefault(length => length > longest) is > 0 and var length
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"a name in it is too long, {length} bytes; file systems take at most {longest}.")
                : null;
    }

    /// <summary>Checks that there is a folder for temporary files, before work that needs it.</summary>
    /// <exception cref="UsageException">There is none, or it cannot be written to.</exception>
    public static void CheckTemporaryFolder()
    {
        var folder = Path.GetTempPath();
        if (!Directory.Exists(folder) || !IsWritable(folder))
        {
            var variable = OperatingSystem.IsWindows() ? "TMP" : "TMPDIR";
            throw new UsageException(
                $"{variable} {folder}: {(Directory.Exists(folder) ? "that folder cannot be written to" : "there is no such folder")}; "
                + "temporary files go there.");
        }
    }

    private static string? OutputFolderFault(string folder)
    {
        for (var existing = folder; existing is not null; existing = Path.GetDirectoryName(existing))
        {
            if (System.IO.File.Exists(existing))
                return $"'{existing}' is a file, not a folder.";
            if (!Directory.Exists(existing))
                continue;
            return IsWritable(existing) ? null : $"'{existing}' cannot be written to.";
        }
        return $"there is no folder '{folder}'.";
    }

    private static bool IsWritable(string folder)
    {
        try
        {
            var probe = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
            using (System.IO.File.Create(probe, 1, FileOptions.DeleteOnClose))
            {
            }
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static int? ParseInteger(ArgumentResult result, string name, int minimum, int maximum) =>
        ParseInteger(result, result.Tokens[^1].Value, name, minimum, maximum);

    private static int? ParseInteger(ArgumentResult result, string text, string name, int minimum, int maximum)
    {
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= minimum && number <= maximum)
            return number;
        result.AddError(maximum == int.MaxValue
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{name} {Shown(text)}: it takes a whole "
                + $"number{(minimum == int.MinValue ? "" : $", at least {minimum}")}.")
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{name} {Shown(text)}: it takes a whole number from {minimum} to {maximum}."));
        return null;
    }

    private static double? ParseNumber(ArgumentResult result, string text, string name, double minimum, double maximum)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && number >= minimum && number <= maximum)
            return number;
        result.AddError(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{name} {Shown(text)}: it takes a number "
                + $"{(minimum == double.Epsilon ? $"above 0, at most {maximum}" : $"from {minimum} to {maximum}")}."));
        return null;
    }

    private static string? ParseWord(ArgumentResult result, string text, string name, IReadOnlyList<string> words)
    {
        if (words.Contains(text))
            return text;
        result.AddError($"{name} {text}: it takes {string.Join(", ", words)}.");
        return null;
    }

    /// <summary>Text that can be seen: nothing, and what has gaps, in quotes.</summary>
    private static string Shown(string text) => text.Length == 0 || text.Any(char.IsWhiteSpace) ? $"'{text}'" : text;

    private static T[] Distinct<T>(ArgumentResult result, string name, T[] values) where T : notnull
    {
        if (values.CountBy(value => value).FirstOrDefault(count => count.Value > 1) is { Value: > 1, Key: var twice })
            result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name}: '{twice}' is given twice."));
        return values;
    }
}

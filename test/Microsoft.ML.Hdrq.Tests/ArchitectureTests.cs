using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>
/// The rules of the house: imports run downwards only, and a library keeps its hands off what belongs to the
/// application.
/// </summary>
[TestClass]
public sealed partial class ArchitectureTests
{
    /// <summary>
    /// The floors of the house, from the ground up: a room imports those of the floors below it, and none beside it.
    /// </summary>
    private static readonly string[][] _floors =
    [
        ["Networks"],
        ["Onnx", "Adaptation", "Quantization"],
        ["Merging"],
        ["Scoring", "Analysis"],
        ["Pipeline"],
    ];

    /// <summary>What each room may import of ours.</summary>
    private static readonly Dictionary<string, string[]> _allowed = _floors
        .SelectMany((rooms, floor) =>
            rooms.Select(room => (Room: room, Below: _floors[..floor].SelectMany(below => below).ToArray())))
        .ToDictionary(entry => entry.Room, entry => entry.Below);

    [TestMethod]
    public void Imports_run_downwards_only()
    {
        var violations =
            from file in Sources()
            let floor = Floor(file.Path)
            where floor is not null
            from Match match in OurNamespace().Matches(file.Code)
            let imported = match.Groups[1].Value
            where imported != floor && _allowed.ContainsKey(imported) && !_allowed[floor].Contains(imported)
            select $"{file.Path}: {match.Value}";
        AssertNone(violations);
    }

    [TestMethod]
    public void Only_the_pipeline_knows_MLNet() => AssertNone(
        from file in Sources()
        where Floor(file.Path) is not (null or "Pipeline")
        from Match match in MLNet().Matches(file.Code)
        select $"{file.Path}: {match.Value}");

    [TestMethod]
    public void Every_folder_has_its_floor() => AssertNone(
        from file in Sources()
        where Floor(file.Path) is { } floor ? !_allowed.ContainsKey(floor)
            : Path.GetFileName(file.Path) is not ("HdrqCatalog.cs" or "HdrqAnalysisCatalog.cs")
        select file.Path);

    [TestMethod]
    public void The_library_does_not_write_to_the_console_or_seed_the_global_generator() => AssertNone(
        from file in Sources()
        from Match match in Forbidden().Matches(file.Code)
        select $"{file.Path}: {match.Value}");

    /// <summary>Everything else works on any device, or asks these files.</summary>
    [TestMethod]
    public void GPUs_are_named_where_libtorch_is_loaded_and_in_our_own_kernels() => AssertNone(
        from file in Sources()
        where !file.Path.StartsWith(Path.Combine("Networks", "Torch"), StringComparison.Ordinal)
            && !Path.GetFileName(file.Path).StartsWith("Cuda", StringComparison.Ordinal)
        from Match match in NamedGpu().Matches(file.Code)
        select $"{file.Path}: {match.Value}");

    /// <summary>
    /// What an algorithm wants to know of an operator is a trait in its line of the table. Names may stand where
    /// operators are defined, where files are read and written, and where nodes are made.
    /// </summary>
    [TestMethod]
    public void No_algorithm_lists_operators_by_name() => AssertNone(
        from file in Sources()
        where !file.Path.StartsWith(Path.Combine("Networks", "Operators"), StringComparison.Ordinal)
            && Floor(file.Path) != "Onnx"
            && !file.Path.StartsWith(Path.Combine("Networks", "Architectures"), StringComparison.Ordinal)
        let code = MadeNode().Replace(file.Code, "")
        from Match match in Literal().Matches(code)
        where OperatorTable.Definitions.ContainsKey(match.Groups[1].Value)
        select $"{file.Path}: {match.Value}");

    /// <summary>The table and the drawing of <c>docs/architecture.md</c> say what the code does.</summary>
    [TestMethod]
    public void The_documented_imports_are_those_of_the_code()
    {
        var imports = _allowed.Keys.ToDictionary(room => room, room => Sources().Where(file => Floor(file.Path) == room)
            .SelectMany(file => OurNamespace().Matches(file.Code)).Select(match => match.Groups[1].Value)
            .Where(imported => imported != room && _allowed.ContainsKey(imported)).Distinct()
                .Order(StringComparer.Ordinal).ToList());
        var text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "architecture.md"));
        var table = string.Concat(imports.Select(room => $"| {room.Key} | {string.Join(", ", room.Value)} |\n")
            .Prepend("|---|---|\n").Prepend("| room | imports |\n"));
        Assert.AreEqual(table, Section(text, "imports"));
        var drawn = Arrow().Matches(text).Select(match => (From: match.Groups[1].Value, To: match.Groups[2].Value))
            .Where(arrow => _allowed.ContainsKey(arrow.From));
        Assert.AreEqual(
            string.Join(", ", imports.SelectMany(room => room.Value.Select(imported => $"{room.Key} --> {imported}"))
                .Order(StringComparer.Ordinal)),
            string.Join(", ", drawn.Select(arrow => $"{arrow.From} --> {arrow.To}").Order(StringComparer.Ordinal)));
    }

    /// <summary>Every hop of the documented walk is a file of the library and a method in it.</summary>
    [TestMethod]
    public void The_documented_walk_is_there()
    {
        var hops = Hop().Matches(Section(
            File.ReadAllText(Path.Combine(Repository.Root, "docs", "architecture.md")), "walk"));
        Assert.IsGreaterThan(20, hops.Count);
        AssertNone(
            from hop in hops
            let file = Path.Combine(Repository.Library, hop.Groups[1].Value)
            where !File.Exists(file) || !Regex.IsMatch(
                File.ReadAllText(file),
                $@"\b(public|internal|private|protected)\b[^=;\n]* {hop.Groups[2].Value}(<\w+>)?\(")
            select hop.Value);
    }

    private static string Section(string text, string name)
    {
        var (start, end) = ($"<!-- {name} -->\n", $"<!-- /{name} -->");
        var first = text.IndexOf(start, StringComparison.Ordinal) + start.Length;
        return text[first..text.IndexOf(end, StringComparison.Ordinal)];
    }

    private static void AssertNone(IEnumerable<string> violations)
    {
        Assert.IsNotEmpty(Sources());
        Assert.AreEqual("", string.Join(Environment.NewLine, violations));
    }

    private static IEnumerable<(string Path, string Code)> Sources() =>
        from path in Directory.EnumerateFiles(Repository.Library, "*.cs", SearchOption.AllDirectories)
        let relative = Path.GetRelativePath(Repository.Library, path)
        where !Regex.IsMatch(relative, @"^(obj|bin|build)[/\\]")
        select (relative, Comment().Replace(File.ReadAllText(path), ""));

    /// <summary>The folder at the top, or null for files beside the folders.</summary>
    private static string? Floor(string path) => path.Split('/', '\\') is [var folder, _, ..] ? folder : null;

    [GeneratedRegex(@"torch\.(backends\.)?(cuda|cudnn)|DeviceType\.CUDA", RegexOptions.IgnoreCase)]
    private static partial Regex NamedGpu();

    [GeneratedRegex(@"Microsoft\.ML\.Hdrq\.(\w+)")]
    private static partial Regex OurNamespace();

    [GeneratedRegex(
        @"using Microsoft\.ML(\.(Data|Runtime|Transforms|Trainers))?;|\b(MLContext|IDataView|ITransformer|IEstimator|VBuffer|DataViewSchema|IHostEnvironment)\b")]
    private static partial Regex MLNet();

    [GeneratedRegex(@"\bConsole\.|\bmanual_seed\b")]
    private static partial Regex Forbidden();

    [GeneratedRegex(@"(Node|Create|Add)\(""\w+""")]
    private static partial Regex MadeNode();

    [GeneratedRegex(@"""(\w+)""")]
    private static partial Regex Literal();

    [GeneratedRegex(@"^  (\w+) --> (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Arrow();

    [GeneratedRegex(@"\| `([\w/]+\.cs)` \| `(\w+)` \|")]
    private static partial Regex Hop();

    [GeneratedRegex("//.*")]
    private static partial Regex Comment();
}

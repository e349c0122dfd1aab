using System.IO.Compression;
using System.Text.RegularExpressions;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>
/// What the documents print, done as a reader would: programs are pasted into Program.cs and run, commands are run,
/// in one folder for a document, from top to bottom.
/// </summary>
[TestClass]
public sealed partial class CodeTests
{
    /// <summary>Documents whose commands are run; those of others are read only.</summary>
    private static readonly string[] _run = ["README.md", "docs/guide/command.md"];

    /// <summary>README, the packages' READMEs and the guides.</summary>
    public static IEnumerable<string> Documents =>
        [
            "README.md", "src/Microsoft.ML.Hdrq/PACKAGE.md", "src/Microsoft.ML.Hdrq.Tool/PACKAGE.md",
            .. Repository.Guides(),
        ];

    [ClassInitialize]
    public static void UseOneThread(TestContext context) => torch.set_num_threads(1);

    [TestMethod]
    [DynamicData(nameof(Documents))]
    public void Programs_and_commands_run_as_they_are_printed(string path)
    {
        var document = MarkdownDocument.Read(path);
        using var folder = new TemporaryFolder();
        foreach (var name in GivenIn(document))
            Given.Make(name);
        using var assemblies = new TemporaryAssemblies();
        foreach (var block in document.Blocks)
        {
            if (block.FragmentOf is { } file)
                AssertIsPartOf(block, file);
            else if (block.Language == "csharp")
                Do(block, assemblies.Next());
            foreach (var command in block.Commands)
            {
                if (ShellLine.ToolArguments(command) is not { } arguments)
                    continue;
                ToolRunner.Parse(arguments, block.Place);
                if (!_run.Contains(path))
                    continue;
                var printed = ToolRunner.Run(arguments, block.Place);
                if (block.Output is { } shown)
                    ShownOutput.AssertIsPrinted(shown, printed, block.Place);
            }
        }
        // Networks that only led to the one that is saved are not saved.
        foreach (var saved in Directory.EnumerateFiles(folder.Path, "*.zip"))
        {
            using var model = ZipFile.OpenRead(saved);
            var networks = model.Entries.Where(entry => entry.Name == "OnnxModel");
            Assert.HasCount(1, networks, saved);
        }
    }

    [TestMethod]
    public void Commands_of_all_other_documents_can_be_read()
    {
        using var folder = new TemporaryFolder();
        foreach (var document in Repository.Documents().Except(Documents).Select(MarkdownDocument.Read))
        {
            foreach (var block in document.Blocks)
            {
                foreach (var arguments in block.ToolCommands)
                    ToolRunner.Parse(arguments, block.Place);
            }
        }
    }

    /// <summary>The list behind <c>Given:</c>, which says what is in the folder.</summary>
    private static IEnumerable<string> GivenIn(MarkdownDocument document)
    {
        var text = string.Join(' ', document.Text.Select(line => line.Line));
        foreach (Match match in GivenList().Matches(text))
        {
            foreach (Match name in Quoted().Matches(match.Groups[1].Value))
            {
                if (Given.Names.Contains(name.Groups[1].Value))
                    yield return name.Groups[1].Value;
            }
        }
    }

    private static void Do(CodeBlock block, string assembly)
    {
        ProgramCompiler.Compile(string.Join('\n', block.Lines), block.Place, assembly);
        var printed = ProgramRunner.Run(assembly, Environment.CurrentDirectory, block.Place);
        if (block.Output is { } shown)
            ShownOutput.AssertIsPrinted(shown, printed, block.Place);
    }

    /// <summary>The lines stand one after another in the file, perhaps all of them further to the right.</summary>
    private static void AssertIsPartOf(CodeBlock block, string file)
    {
        var path = Repository.Combine(file);
        Assert.IsTrue(File.Exists(path), $"{block.Place}: there is no file {file}.");
        var lines = File.ReadAllLines(path);
        var starts = Enumerable.Range(0, Math.Max(0, lines.Length - block.Lines.Count + 1));
        Assert.IsTrue(starts.Any(AreAt), $"{block.Place}: these lines are not in {file}.");

        bool AreAt(int start)
        {
            var indent = lines[start][..Math.Max(0, Indentation(lines[start]) - Indentation(block.Lines[0]))];
            return block.Lines.Index()
                .All(line => lines[start + line.Index] == (line.Item.Length == 0 ? "" : indent + line.Item));
        }

        static int Indentation(string line) => line.Length - line.TrimStart().Length;
    }

    [GeneratedRegex(@"Given: (.*?)\.(?: |$)")]
    private static partial Regex GivenList();

    [GeneratedRegex(@"`([^`]+)`")]
    private static partial Regex Quoted();

    /// <summary>Where programs are put: beside the folder that they run in.</summary>
    private sealed class TemporaryAssemblies : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("hdrq-docs-bin-").FullName;
        private int _count;

        public string Next() => Path.Combine(_folder, $"program{++_count}.dll");

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}

using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Tool.Commands;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>The command's guide says all that the command has, and nothing else.</summary>
[TestClass]
public sealed partial class CommandGuideTests
{
    private static readonly MarkdownDocument _guide = MarkdownDocument.Read("docs/guide/command.md");

    [TestMethod]
    public void It_has_an_example_of_each_verb() => AssertSame(
        HdrqCommand.Create(_ => { }).Subcommands.Select(verb => verb.Name),
        _guide.Blocks.SelectMany(block => block.ToolCommands).Select(arguments => arguments[0]));

    [TestMethod]
    public void Its_exit_codes_are_those_of_the_command() => AssertSame(
        typeof(ExitCode).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => ((int)field.GetRawConstantValue()!).ToString(CultureInfo.InvariantCulture)),
        Table("exit code").Select(cell => cell.Trim()));

    [TestMethod]
    public void Its_fields_are_those_of_the_results() => AssertSame(
        typeof(ResultRow).GetProperties().Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name)),
        Table("field").SelectMany(Names));

    [TestMethod]
    public void Its_events_are_those_of_the_command() => AssertSame(
        from path in Repository.Sources("src/Microsoft.ML.Hdrq.Tool")
        from Match match in Event().Matches(File.ReadAllText(path))
        select match.Groups[1].Value,
        Table("event").SelectMany(Names));

    [TestMethod]
    public void Its_results_can_be_read()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines("results.json", _guide.Blocks.Single(block => block.Language == "json").Lines);
        Assert.HasCount(1, ResultsFile.Read("results.json").Rows);
    }

    private static void AssertSame(IEnumerable<string> expected, IEnumerable<string> said)
    {
        Assert.AreEqual(Sorted(expected), Sorted(said));

        static string Sorted(IEnumerable<string> names) =>
            string.Join(", ", names.Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>The first column of the table with a header.</summary>
    private static IEnumerable<string> Table(string header) => _guide.Lines
        .SkipWhile(line => !line.StartsWith($"| {header} |", StringComparison.Ordinal)).Skip(2)
        .TakeWhile(line => line.StartsWith('|'))
        .Select(line => line.Split('|')[1]);

    private static IEnumerable<string> Names(string cell) =>
        Name().Matches(cell).Select(match => match.Groups[1].Value);

    [GeneratedRegex(@"`(\w+)`")]
    private static partial Regex Name();

    [GeneratedRegex(@"\bEvent\(\s*""(\w+)""")]
    private static partial Regex Event();
}

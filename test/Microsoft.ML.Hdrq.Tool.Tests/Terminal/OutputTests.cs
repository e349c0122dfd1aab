using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Results;
using Microsoft.ML.Hdrq.Tool.Terminal;
using Spectre.Console;

namespace Microsoft.ML.Hdrq.Tool.Tests.Terminal;

/// <summary>What people see: in a window of 80 columns, and in a log.</summary>
[TestClass]
public sealed partial class OutputTests
{
    private const int Columns = 80;

    private TemporaryDirectory _folder = null!;

    [TestInitialize]
    public void Prepare() => _folder = new TemporaryDirectory();

    [TestCleanup]
    public void CleanUp() => _folder.Dispose();

    /// <summary>
    /// Every number that is shown is whole, under a name of which the beginning is left, and the harmonic mean is never
    /// left out.
    /// </summary>
    [TestMethod]
    [DataRow(2, 4)]
    [DataRow(3, 4)]
    [DataRow(5, 4)]
    [DataRow(12, 4)]
    [DataRow(2, 60)]
    [DataRow(3, 60)]
    [DataRow(5, 60)]
    [DataRow(12, 60)]
    public void Tables_fit_and_can_be_read(int count, int length)
    {
        string[] domains =
            [.. Enumerable.Range(0, count).Select(index => $"{(char)('a' + index)}{new string('x', length - 1)}")];
        var merged = new ResultRow
        {
            Stage = "merged",
            Method = "HDRQ, 3.5 bits on average, by images",
            Network = "n",
            Merged = domains,
            HarmonicMean = 1,
            WeightBits = 4,
            ActivationBits = 4,
            Bytes = 123_456_789,
            Domains = new(domains.Select((domain, index) => KeyValuePair.Create(domain, index / 100.0))),
            Classes = new(domains.Select(domain =>
                KeyValuePair.Create(domain, new OrderedDictionary<string, double> { [$"a class {domain}"] = 0.5 }))),
        };
        var document = new ResultsDocument
        {
            Task = "classification",
            Rows = [new ResultRow { Stage = "source", Method = "FP32", Network = "s", Domains = merged.Domains,
                Bytes = 1000 }, merged],
        };

        var lines =
            Show(output => output.Show(ResultTable.Create(document, VisionTask.Classification, domains, domains)));
        Assert.IsTrue(lines.TrueForAll(line => line.Length <= Columns), string.Join('\n', lines));
        var row = lines.Single(line => line.Contains("100.00", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var header = lines.Single(line => line.StartsWith("for ", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        // The columns of domains are all there, or none of them is and it is said where they are.
        var shown = header.Skip(2).TakeWhile(name => name != "own").ToArray();
        Assert.IsTrue(shown.Length == count
            || (shown.Length == 0 && lines.Exists(line => line.Contains("results.json", StringComparison.Ordinal))),
            string.Join('\n', lines));
        Assert.AreEqual(count <= 5, shown.Length == count, string.Join('\n', lines));
        for (var index = 0; index < shown.Length; index++)
        {
            Assert.IsTrue(domains[index].StartsWith(shown[index].TrimEnd('…'), StringComparison.Ordinal)
                && shown[index].Length > 1, shown[index]);
            CollectionAssert.Contains(row, $"{index}.00");
        }

        foreach (var text in new[] { Show(output =>
            output.Show(ClassTable.Create(document, VisionTask.Classification)!)), lines })
            Assert.IsTrue(text.TrueForAll(line => line.Length <= Columns), string.Join('\n', text));
    }

    /// <summary>Names of folders are any text: they are shown, but are no commands to the terminal.</summary>
    [TestMethod]
    [DataRow("fog\u001b[2J")]
    [DataRow("[red]fog[/]")]
    [DataRow("fo\ng")]
    [DataRow("fo\rg\t\u0007")]
    [DataRow("[")]
    [DataRow("f\u202eog")]
    [DataRow("fog {domain} {0}")]
    public void Names_do_not_move_the_cursor(string domain)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Folders of Windows have no such names.");
        TestImages.WriteClasses(_folder.Combine("data"), ["clear", domain, "night"], ["bar", "dot"], train: 1, test: 1);
        TestNetworks.WriteClassifier(_folder.Combine("network.onnx"), classes: 2);
        string[] run =
            ["run", "--data", _folder.Combine("data"), "--network", _folder.Combine("network.onnx"),
            "--adaptation-epochs", "1", "--methods", "rtn", "--merge", "all", "--output", _folder.Combine("out")];
        string[] evaluate = ["evaluate", _folder.Combine("network.onnx"), "--data", _folder.Combine("data")];
        string[] wrong =
            ["evaluate", _folder.Combine("network.onnx"), "--data", _folder.Combine("data"), "--domains",
            $"not {domain}"];
        foreach (var line in new[] { run, evaluate, wrong })
        {
            var plain = CommandLine.Run(line);
            AssertPrintable(plain.Out + plain.Error);
            var terminal = OnTerminal(line);
            Assert.AreEqual(plain.ExitCode, terminal.ExitCode, terminal.Text);
            Assert.AreEqual(line == wrong ? 2 : 0, plain.ExitCode, plain.Error);
            AssertPrintable(terminal.Text);
            foreach (var text in terminal.Text.Split('\n'))
                Assert.IsLessThanOrEqualTo(Columns, text.Length, text);
        }
    }

    [TestMethod]
    public void A_log_has_a_line_for_each_network_and_no_bar()
    {
        TestImages.WriteClasses(_folder.Combine("data"), ["clear", "fog", "night"], ["bar", "dot"], train: 2, test: 1);
        TestNetworks.WriteClassifier(_folder.Combine("network.onnx"), classes: 2);
        var outcome =
            CommandLine.Run("run", "--data", _folder.Combine("data"), "--network", _folder.Combine("network.onnx"),
            "--adaptation-epochs", "2", "--methods", "hdrq", "--iterations", "20", "--merge", "all", "--output",
            _folder.Combine("out")).Done();
        AssertPrintable(outcome.Out);
        // Those of several places are made at the same time, and end in any order.
        CollectionAssert.AreEquivalent(
            new[] { "source", "adapted-fog", "adapted-night", "fp32-merged-fog+night", "hdrq-w4a4-fog",
                "hdrq-w4a4-night", "hdrq-w4a4-merged-fog+night" },
            outcome.Lines.Where(line => line.Contains(": done in ", StringComparison.Ordinal))
                .Select(line => line.Split(':')[0]).ToArray());
        Assert.DoesNotContain("%|", outcome.Out);
        Assert.DoesNotContain("━", outcome.Out);
        Assert.IsFalse(outcome.Lines.Any(line => line.Contains("so far", StringComparison.Ordinal)));
        // What was said of progress is not said again.
        var lines = outcome.Lines.Where(line => line.Contains("done in", StringComparison.Ordinal)).ToList();
        Assert.HasCount(lines.Count, lines.Distinct());
    }

    [TestMethod]
    public void A_terminal_shows_bars_and_the_table()
    {
        TestImages.WriteClasses(_folder.Combine("data"), ["clear", "fog", "night"], ["bar", "dot"], train: 2, test: 1);
        TestNetworks.WriteClassifier(_folder.Combine("network.onnx"), classes: 2);
        var (exitCode, text) =
            OnTerminal(["run", "--data", _folder.Combine("data"), "--network", _folder.Combine("network.onnx"),
            "--adaptation-epochs", "2", "--methods", "hdrq", "--iterations", "20", "--merge", "all", "--output",
            _folder.Combine("out")]);
        Assert.AreEqual(0, exitCode, text);
        foreach (var line in text.Split('\n'))
            Assert.IsLessThanOrEqualTo(Columns, line.Length, line);
        StringAssert.Contains(text, "hdrq-w4a4-merged-fog+night");
        StringAssert.Contains(text, "100%");
        StringAssert.Contains(text, "Top-1 accuracy, %");
    }

    private static void AssertPrintable(string text)
    {
        foreach (var letter in text)
            Assert.IsFalse(letter != '\n' && (char.IsControl(letter) || letter is '\u202e' or '\u2028'),
                $"U+{(int)letter:X4} in {text}");
    }

    private static List<string> Show(Action<Output> show)
    {
        using var text = new StringWriter();
        show(new TerminalOutput(Console(text)));
        return [.. text.ToString().Split('\n').Select(line => line.TrimEnd())];
    }

    private static (int ExitCode, string Text) OnTerminal(string[] line)
    {
        using var text = new StringWriter();
        using var cancellation = new Cancellation();
        var exitCode = Application.Run(line, new Streams(text, text, Console(text, isAlive: true)), cancellation);
        // What is drawn anew begins where the line did.
        return (exitCode, Sequence().Replace(text.ToString(), match => match.Value[0] == '\r' ? "\n" : ""));
    }

    private static IAnsiConsole Console(TextWriter text, bool isAlive = false)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = isAlive ? AnsiSupport.Yes : AnsiSupport.No,
            Interactive = isAlive ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = Columns;
        return console;
    }

    /// <summary>
    /// What moving bars consist of: colours, lines that are drawn anew, and the cursor hidden meanwhile. Not more.
    /// </summary>
    [GeneratedRegex("\r?\u001b\\[([0-9;]*m|[0-9]*A|2K|\\?25[lh])")]
    private static partial Regex Sequence();
}

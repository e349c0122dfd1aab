using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Hdrq.Tool.Commands;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

/// <summary>Every option that takes numbers, of every command, at and beyond the ends of its range.</summary>
[TestClass]
public sealed class NumericOptionTests
{
    /// <summary>
    /// The numbers that an option takes. A range of the smallest number above 0 is for what must not be 0.
    /// </summary>
    private static readonly Dictionary<string, (double Minimum, double Maximum)> _ranges = new()
    {
        ["--seed"] = (int.MinValue, int.MaxValue),
        ["--seeds"] = (int.MinValue, int.MaxValue),
        ["--gpu"] = (0, int.MaxValue),
        ["--threads"] = (1, 1024),
        ["--at-once"] = (1, 1024),
        ["--batch-size"] = (1, 4096),
        ["--epochs"] = (1, int.MaxValue),
        ["--adaptation-epochs"] = (1, int.MaxValue),
        ["--steps"] = (1, 1_000_000),
        ["--iterations"] = (0, int.MaxValue),
        ["--calibration-images"] = (1, int.MaxValue),
        ["--explain"] = (1, int.MaxValue),
        ["--size"] = (1, 16_384),
        ["--rate"] = (double.Epsilon, 100),
        ["--head-rate"] = (double.Epsilon, 100),
        ["--adaptation-rate"] = (double.Epsilon, 100),
        ["--average-bits"] = (2, 8),
        ["--weights"] = (0, 1_000_000),
        ["--validation"] = (0, 0.9),
        ["--min-images"] = (2, int.MaxValue),
        ["--noise"] = (0.01, 100),
    };

    private static TemporaryDirectory _folder = null!;

    /// <summary>The options of numbers, found in the commands themselves.</summary>
    public static IEnumerable<object[]> Options() =>
        from command in HdrqCommand.Create(_ => { }).Subcommands
        from option in command.Options
        where option.ValueType != typeof(bool) && Element(option.ValueType) is { IsPrimitive: true }
        select new object[] { command.Name, option.Name };

    [ClassInitialize]
    public static void Prepare(TestContext context)
    {
        _folder = new TemporaryDirectory();
        File.WriteAllText(_folder.Combine("a.onnx"), "");
    }

    [ClassCleanup]
    public static void CleanUp() => _folder.Dispose();

    [TestMethod]
    public void All_options_of_numbers_are_found()
    {
        var found = Options().Select(row => (string)row[1]).Distinct().Order(StringComparer.Ordinal).ToArray();
        CollectionAssert.AreEqual(_ranges.Keys.Order(StringComparer.Ordinal).ToArray(), found);
    }

    [TestMethod]
    [DynamicData(nameof(Options))]
    public void Both_ends_of_the_range_are_taken(string command, string option)
    {
        var (minimum, maximum) = _ranges[option];
        foreach (var text in new[] { Text(minimum), Text(maximum) })
        {
            var errors = HdrqCommand.Create(_ => { })
                .Parse([command, option, text]).Errors.Select(error => error.Message);
            Assert.AreEqual("",
                string.Join('\n', errors.Where(error => error.StartsWith($"{option} ", StringComparison.Ordinal))));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Options))]
    public void Anything_else_is_refused_in_a_sentence_with_the_range(string command, string option)
    {
        var (minimum, maximum) = _ranges[option];
        var isWhole = Element(Find(command, option).ValueType) == typeof(int);
        string[] wrong = isWhole
            ? [Text(minimum - 1), Text(maximum + 1), "x", "1.5", "", "NaN", "1e1", "0x1", "1,000", "1 2",
                "99999999999999999999"]
            : [Text(minimum == 0 ? -double.Epsilon : Math.BitDecrement(minimum)), Text(Math.BitIncrement(maximum)),
                "-1", "x", "", "NaN", "-Infinity", "1e999", "2,5", "2.5.1"];
        foreach (var text in wrong)
        {
            var outcome = CommandLine.Run([.. Line(command), option, text]);
            Assert.AreEqual(2, outcome.ExitCode, text);
            var name = text.Length == 0 || text.Contains(' ', StringComparison.Ordinal) ? $"'{text}'" : text;
            StringAssert.StartsWith(outcome.Error,
                $"{option} {name}: it takes a {(isWhole ? "whole number" : "number")}");
            Assert.AreEqual(1, outcome.Error.Count(letter => letter == '\n'), outcome.Error);
            Assert.IsLessThan(160, outcome.Error.Length, outcome.Error);
            if (minimum is not (int.MinValue or double.Epsilon))
                StringAssert.Contains(outcome.Error, Text(minimum));
            if (maximum is not int.MaxValue)
                StringAssert.Contains(outcome.Error, Text(maximum));
            Assert.AreEqual("", outcome.Out);
        }
    }

    private static Option Find(string command, string option) =>
        HdrqCommand.Create(_ => { }).Subcommands.Single(found => found.Name == command).Options.Single(found =>
            found.Name == option);

    /// <summary>A command line that lacks nothing; files need only be there, as nothing is read.</summary>
    private static string[] Line(string command)
    {
        var (file, data, output) = (_folder.Combine("a.onnx"), _folder.Path, _folder.Combine("new.onnx"));
        return command switch
        {
            "adapt" or "quantize" => [command, "--data", data, "--network", file, "--output", output],
            "merge" => [command, file, file, "--output", output],
            "measure" => [command, file, "--data", data, "--network", file, "--output", _folder.Combine("a.moments")],
            "distill" => [command, file, "--data", data, "--network", file, "--output", output],
            "evaluate" => [command, file, "--data", data],
            _ => [command, "--data", data],
        };
    }

    private static Type? Element(Type type) => Nullable.GetUnderlyingType(type)
        ?? (type.IsArray ? type.GetElementType() : type);

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}

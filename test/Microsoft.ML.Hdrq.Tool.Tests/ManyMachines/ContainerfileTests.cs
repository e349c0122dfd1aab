using Microsoft.ML.Hdrq.Tests.Build;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

[TestClass]
public sealed class ContainerfileTests
{
    private static readonly string[] _lines = File.ReadAllLines(ManyMachinesSample.PathOf("Containerfile"));

    [TestMethod]
    public void What_is_copied_into_the_image_is_there_with_all_that_a_build_reads()
    {
        var copied = _lines.Select(line => line.Split(' ')).Where(words => words is ["COPY", not "--from=build", ..])
            .SelectMany(words => words[1..^1]).ToArray();
        foreach (var path in copied)
            Assert.IsTrue(Path.Exists(Path.Combine(Repository.Root, path)), path);
        CollectionAssert.IsSubsetOf(
            Directory.EnumerateFiles(Repository.Root, "Directory.*").Select(Path.GetFileName).ToArray(), copied);
    }

    [TestMethod]
    public void The_tool_is_built_and_started_by_its_name_and_not_as_root()
    {
        var project = _lines.SelectMany(line => line.Split(' ')).SkipWhile(word => word != "publish").ElementAt(1);
        Assert.AreEqual(
            typeof(ExitCode).Assembly.GetName().Name,
            Repository.Query(Path.Combine(Repository.Root, project), "-getProperty:AssemblyName", "-getProperty:OutputType")
                .GetProperty("Properties").GetProperty("AssemblyName").GetString());
        CollectionAssert.AreEqual(new[] { "USER $APP_UID", "ENTRYPOINT [\"hdrq\"]" }, _lines[^2..]);
    }
}

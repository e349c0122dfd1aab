namespace Microsoft.ML.Hdrq.Tests.Build;

[TestClass]
public class TorchBackendTests
{
    [TestMethod]
    [DataRow("libtorch-cpu-*")]
    [DataRow("libtorch-cpu-*", "-p:TorchBackend=cpu")]
    [DataRow("libtorch-cpu-win-x64", "-p:RuntimeIdentifier=win-x64")]
    [DataRow("TorchSharp-cuda-linux", "-p:TorchBackend=cuda-linux")]
    [DataRow("TorchSharp-cuda-windows", "-p:TorchBackend=cuda-windows", "-p:RuntimeIdentifier=win-x64")]
    public void OnePropertySelectsOnePackage(string package, params string[] properties)
    {
        var project = Repository.Query(Repository.TestProject, ["-getItem:PackageReference", .. properties]);

        CollectionAssert.AreEqual(new[] { package.Replace("*", Repository.Platform, StringComparison.Ordinal) },
            TorchPackages(project));
    }

    [TestMethod]
    public void SamplesFollowTheSameProperty()
    {
        var project = Repository.Query(Repository.SampleProject, "-getItem:PackageReference", "-p:TorchBackend=cuda-linux");

        CollectionAssert.AreEqual(new[] { "TorchSharp-cuda-linux" }, TorchPackages(project));
    }

    [TestMethod]
    public void TheLibraryReferencesTheManagedPackageOnly()
    {
        var project = Repository.Query(
            Path.Combine(Repository.Library, "Microsoft.ML.Hdrq.csproj"), "-getItem:PackageReference",
            "-p:TorchBackend=cuda-linux");

        CollectionAssert.AreEqual(new[] { "TorchSharp" }, TorchPackages(project));
    }

    [TestMethod]
    [DataRow("-p:TorchBackend=rocm", "TorchBackend is 'rocm'; it must be cpu, cuda-linux or cuda-windows.")]
    [DataRow("-p:RuntimeIdentifier=linux-arm64", "There is no libtorch for the platform 'linux-arm64'")]
    public void AnImpossibleChoiceIsOneError(string argument, string message)
    {
        var (exitCode, output) = Repository.Dotnet(
            Repository.Root, "msbuild", Repository.TestProject, "-t:CollectPackageReferences", argument);

        Assert.AreNotEqual(0, exitCode);
        var errors = output.Split('\n').Where(line => line.Contains("error", StringComparison.OrdinalIgnoreCase)).ToList();
        Assert.HasCount(1, errors, output);
        StringAssert.Contains(errors[0], message);
    }

    private static List<string> TorchPackages(System.Text.Json.JsonElement project) =>
        [.. project.GetProperty("Items").GetProperty("PackageReference").EnumerateArray()
            .Select(item => item.GetProperty("Identity").GetString()!)
            .Where(name => name.Contains("torch", StringComparison.OrdinalIgnoreCase))];
}

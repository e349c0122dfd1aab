using System.IO.Compression;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>What a user of the packed library gets.</summary>
[TestClass]
public class PackageTests
{
    private const string PackageVersion = "0.0.0-test";
    private static readonly TemporaryDirectory _directory = new();

    [ClassInitialize]
    public static void Pack(TestContext context)
    {
        var (exitCode, output) = Repository.Dotnet(
            Repository.Root, "pack", Repository.Library, "--no-build", "-c", Repository.Configuration, "-o", _directory.Path, $"-p:PackageVersion={PackageVersion}");
        Assert.AreEqual(0, exitCode, output);
    }

    [ClassCleanup]
    public static void Delete() => _directory.Dispose();

    [TestMethod]
    [DataRow("Microsoft.ML.Hdrq.targets")]
    [DataRow("HdrqWeakenVersionNeed.cs")]
    public void ContainsTheBuildFiles(string name)
    {
        using var package = ZipFile.OpenRead(_directory.Combine($"Microsoft.ML.Hdrq.{PackageVersion}.nupkg"));

        using var reader = new StreamReader(package.GetEntry($"buildTransitive/{name}")!.Open());
        Assert.AreEqual(File.ReadAllText(Path.Combine(Repository.Library, "build", name)), reader.ReadToEnd());
    }

    [TestMethod]
    public void ApplicationBuildsAndRuns()
    {
        var properties = Repository.Query(Repository.TestProject, "-getProperty:NuGetPackageRoot,LibTorchVersion").GetProperty("Properties");
        var application = Directory.CreateDirectory(_directory.Combine("application")).FullName;
        // The package goes to a folder of its own, because it would stay in the machine's; all others are taken from there.
        File.WriteAllText(Path.Combine(application, "application.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <RestoreAdditionalProjectSources>{_directory.Path}</RestoreAdditionalProjectSources>
                <RestorePackagesPath>{_directory.Combine("packages")}</RestorePackagesPath>
                <RestoreFallbackFolders>{properties.GetProperty("NuGetPackageRoot").GetString()}</RestoreFallbackFolders>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Microsoft.ML.Hdrq" Version="{PackageVersion}" />
                <PackageReference Include="libtorch-cpu-{Repository.Platform}" Version="{properties.GetProperty("LibTorchVersion").GetString()}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(application, "Program.cs"), "using TorchSharp; System.Console.WriteLine(torch.ones(2).sum().item<float>());");

        var (built, log) = Repository.Dotnet(application, "build", "-v", "q", "-o", "out");
        Assert.AreEqual(0, built, log);
        var (ran, output) = Repository.Dotnet(application, Path.Combine("out", "application.dll"));

        Assert.AreEqual(0, ran, output);
        Assert.AreEqual("2", output.Trim());
        var platforms = Directory.GetDirectories(Path.Combine(application, "out", "runtimes")).Select(Path.GetFileName).ToList();
        CollectionAssert.AreEqual(new[] { Repository.Platform }, platforms);
        Assert.IsEmpty(Directory.GetFiles(application, Repository.NativeName("torch_python"), SearchOption.AllDirectories));
    }
}

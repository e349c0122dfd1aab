using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>What a user of the packed library gets.</summary>
[TestClass]
public sealed partial class PackageTests
{
    private const string PackageVersion = "0.0.0-test";
    private static readonly TemporaryDirectory _directory = new();

    [ClassInitialize]
    public static void Pack(TestContext context)
    {
        var (exitCode, output) = Repository.Dotnet(
            Repository.Root, "pack", Repository.Library, "--no-build", "-c", Repository.Configuration, "-o",
            _directory.Path, $"-p:PackageVersion={PackageVersion}");
        Assert.AreEqual(0, exitCode, output);
        // Packing must give no advice either: of an address, a readme or a licence that is missing.
        Assert.DoesNotContain("warning", output);
    }

    [ClassCleanup]
    public static void Delete() => _directory.Dispose();

    [TestMethod]
    [DataRow("Microsoft.ML.Hdrq.targets")]
    [DataRow("HdrqWeakenVersionNeed.cs")]
    public void ContainsTheBuildFiles(string name) =>
        Assert.AreEqual(File.ReadAllText(Path.Combine(Repository.Library, "build", name)),
            PackageText($"buildTransitive/{name}"));

    [TestMethod]
    public void SaysWhatItIs()
    {
        var metadata = XDocument.Parse(PackageText("Microsoft.ML.Hdrq.nuspec")).Root!.Elements().Single();
        string Value(string name) => metadata.Elements().Single(element => element.Name.LocalName == name).Value;

        Assert.AreEqual("Microsoft.ML.Hdrq", Value("id"));
        Assert.AreEqual("MIT", Value("license"));
        Assert.AreEqual("PACKAGE.md", Value("readme"));
        Assert.Contains("HDRQ", Value("description"));
        var tags = Value("tags").Split(' ');
        foreach (var tag in new[] { "ML.NET", "ONNX", "quantization", "model-merging", "domain-adaptation" })
            Assert.Contains(tag, tags);
        var repository = metadata.Elements().Single(element => element.Name.LocalName == "repository");
        Assert.AreEqual("git", repository.Attribute("type")?.Value);
    }

    [TestMethod]
    public void HasSymbolsThatHoldGeneratedSources()
    {
        using var package = ZipFile.OpenRead(_directory.Combine($"Microsoft.ML.Hdrq.{PackageVersion}.snupkg"));
        var symbols = package.GetEntry("lib/net10.0/Microsoft.ML.Hdrq.pdb");
        Assert.IsNotNull(symbols);
        using var stream = new MemoryStream();
        using (var entry = symbols.Open())
            entry.CopyTo(stream);
        stream.Position = 0;
        using var provider = MetadataReaderProvider.FromPortablePdbStream(stream);
        var reader = provider.GetMetadataReader();
        // The kind of embedded sources in the format's specification.
        var embedded = new Guid("0E8A571B-6926-466E-B4AD-8AB04611F5FE");
        var names = reader.CustomDebugInformation.Select(reader.GetCustomDebugInformation)
            .Where(information => reader.GetGuid(information.Kind) == embedded
                && information.Parent.Kind == HandleKind.Document)
            .Select(information => reader.GetString(reader.GetDocument((DocumentHandle)information.Parent).Name))
            .Select(name => Path.GetFileName(name.Replace('\\', '/')))
            .ToList();
        // The ONNX messages are generated from their description, so that no repository has their source.
        Assert.Contains("Onnx.cs", names);
    }

    [TestMethod]
    public void ReadmeNeedsNothingBesideIt()
    {
        var readme = PackageText("PACKAGE.md");
        Assert.AreEqual(File.ReadAllText(Repository.PackageReadme), readme);

        var targets = Link().Matches(readme).Select(match => match.Groups["target"].Value).ToList();
        Assert.IsNotEmpty(targets);
        Assert.IsEmpty(targets.Where(target => !target.StartsWith("https://", StringComparison.Ordinal)),
            string.Join(", ", targets));
        // Pictures, and whatever nuget.org does not render: HTML.
        Assert.DoesNotContain("![", readme);
        Assert.IsEmpty(Html().Matches(Code().Replace(readme, "")));
    }

    [TestMethod]
    public void ApplicationBuildsAndRuns()
    {
        var application = WriteApplication(
            "application", "", "using TorchSharp; System.Console.WriteLine(torch.ones(2).sum().item<float>());");

        var output = BuildAndRun(application);

        Assert.AreEqual("2", output.Trim());
        var platforms = Directory.GetDirectories(Path.Combine(application, "out", "runtimes")).Select(Path.GetFileName)
            .ToList();
        CollectionAssert.AreEqual(new[] { Repository.Platform }, platforms);
        Assert.IsEmpty(Directory.GetFiles(application, Repository.NativeName("torch_python"), SearchOption.AllDirectories));
    }

    /// <summary>
    /// One application has ML.NET's own TorchSharp package too, which was built for an older TorchSharp. Both work as
    /// far as the README says; where a later version changes that, this test fails and the README has to follow.
    /// </summary>
    [TestMethod]
    public void ApplicationCanReferenceTheTorchSharpPackageOfMLNet()
    {
        var versions = Repository.Query(Repository.TestProject, "-getItem:PackageDownload,PackageVersion")
            .GetProperty("Items");
        string Version(string list, string package) => versions.GetProperty(list).EnumerateArray()
            .Single(item => item.GetProperty("Identity").GetString() == package).GetProperty("Version")
                .GetString()!.Trim('[', ']');
        // It asks for older versions of these, which would have to be downloaded for every run.
        var references = string.Concat(new[] { "SkiaSharp", "SkiaSharp.NativeAssets.Linux.NoDependencies" }.Select(package =>
            $"""<PackageReference Include="{package}" Version="{Version("PackageVersion", package)}" />"""));
        var application = WriteApplication(
            "beside",
            $"""<PackageReference Include="Microsoft.ML.TorchSharp" Version="{Version("PackageDownload", "Microsoft.ML.TorchSharp")}" />{references}""",
            """
            using Microsoft.ML;
            using Microsoft.ML.Hdrq.Networks.Architectures;
            using Microsoft.ML.TorchSharp;
            using TorchSharp;

            using var network = ResNet.Cifar(8, 10, seed: 1, width: 4);
            using var input = torch.zeros(1, 3, 32, 32);
            Console.WriteLine(string.Join("x", network.Forward(input).shape));

            var trainers = new MLContext(seed: 1).MulticlassClassification.Trainers;
            Console.WriteLine(trainers.TextClassification().GetType().Name);
            Console.WriteLine(trainers.ObjectDetection().GetType().Name);

            Console.WriteLine(typeof(torch).Assembly.GetName().Version!.ToString(3));
            // What keeps its trainers from training: the method that ObjectDetection calls is gone, and the text trainers dispose what initializers return.
            Type[] parameters = [typeof(torch.Tensor), typeof(long[]), typeof(double[]), typeof(torch.InterpolationMode), typeof(bool?), typeof(bool)];
            Console.WriteLine(typeof(torch.nn.functional).GetMethod("interpolate", parameters) is null);
            Console.WriteLine(ReferenceEquals(input, torch.nn.init.zeros_(input)));
            """);

        var lines = BuildAndRun(application)
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

        string[] expected = ["1x10", "TextClassificationTrainer", "ObjectDetectionTrainer",
            Version("PackageVersion", "TorchSharp"), "True", "True"];
        CollectionAssert.AreEqual(expected, lines, string.Join(", ", lines));
    }

    /// <summary>
    /// Writes an application that references the package, one Torch backend and <paramref name="references"/>.
    /// </summary>
    private static string WriteApplication(string name, string references, string program)
    {
        var properties = Repository.Query(Repository.TestProject, "-getProperty:NuGetPackageRoot,LibTorchVersion")
            .GetProperty("Properties");
        var application = Directory.CreateDirectory(_directory.Combine(name)).FullName;
        // The package goes to a folder of its own, because it would stay in the machine's; all others are taken from there.
        File.WriteAllText(Path.Combine(application, "application.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <RestoreAdditionalProjectSources>{_directory.Path}</RestoreAdditionalProjectSources>
                <RestorePackagesPath>{_directory.Combine("packages")}</RestorePackagesPath>
                <RestoreFallbackFolders>{properties.GetProperty("NuGetPackageRoot").GetString()}</RestoreFallbackFolders>
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Microsoft.ML.Hdrq" Version="{PackageVersion}" />
                <PackageReference Include="libtorch-cpu-{Repository.Platform}" Version="{properties.GetProperty("LibTorchVersion").GetString()}" />
                {references}
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(application, "Program.cs"), program);
        return application;
    }

    private static string BuildAndRun(string application)
    {
        var (built, log) = Repository.Dotnet(application, "build", "-v", "q", "-o", "out");
        Assert.AreEqual(0, built, log);
        var (ran, output) = Repository.Dotnet(application, Path.Combine("out", "application.dll"));
        Assert.AreEqual(0, ran, output);
        return output;
    }

    private static string PackageText(string entry)
    {
        using var package = ZipFile.OpenRead(_directory.Combine($"Microsoft.ML.Hdrq.{PackageVersion}.nupkg"));
        using var reader = new StreamReader(package.GetEntry(entry)!.Open());
        return reader.ReadToEnd();
    }

    /// <summary>Targets of links and pictures, written inline or as references.</summary>
    [GeneratedRegex(@"\]\((?<target>[^)\s]*)|^\[[^\]]+\]:\s*(?<target>\S+)", RegexOptions.Multiline)]
    private static partial Regex Link();

    [GeneratedRegex("</?[a-zA-Z]|<!--")]
    private static partial Regex Html();

    [GeneratedRegex("```.*?```|`[^`\n]*`", RegexOptions.Singleline)]
    private static partial Regex Code();
}

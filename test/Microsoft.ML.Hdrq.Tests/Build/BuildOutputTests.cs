using System.Reflection;

namespace Microsoft.ML.Hdrq.Tests.Build;

/// <summary>The folder that these tests run in is an ordinary build output.</summary>
[TestClass]
public class BuildOutputTests
{
    private static readonly string[] _files = Directory.GetFiles(AppContext.BaseDirectory, "*", SearchOption.AllDirectories);

    [TestMethod]
    public void HoldsTheNativesOfOnePlatform()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "runtimes");
        var platforms = Directory.Exists(folder) ? Directory.GetDirectories(folder).Select(Path.GetFileName).ToList() : [];

        Assert.IsLessThanOrEqualTo(1, platforms.Count, string.Join(", ", platforms));
    }

    [TestMethod]
    public void HoldsNoLibraryOfAnotherSystem()
    {
        string[] own = OperatingSystem.IsWindows() ? [".dll"] : OperatingSystem.IsMacOS() ? [".dylib"] : [".so"];
        var foreign = _files.Where(file => Path.GetExtension(file) is ".so" or ".dylib" or ".dll" or ".aar"
            && !own.Contains(Path.GetExtension(file)))
            .Where(file => Path.GetExtension(file) != ".dll" || !IsManaged(file))
            .ToList();

        Assert.IsEmpty(foreign, string.Join(", ", foreign));
    }

    [TestMethod]
    [DataRow("torch_cpu")]
    [DataRow("LibTorchSharp")]
    [DataRow("onnxruntime")]
    [DataRow("SkiaSharp", "libSkiaSharp")]
    public void HoldsWhatIsLoaded(string library, string? windowsName = null)
    {
        var name = OperatingSystem.IsWindows() && windowsName is not null ? windowsName + ".dll"
            : Repository.NativeName(library);

        Assert.ContainsSingle(file => Path.GetFileName(file) == name, _files);
    }

    [TestMethod]
    [DataRow("torch_python")]
    [DataRow("torchbind_test")]
    [DataRow("jitbackend_test")]
    [DataRow("backend_with_compiler")]
    [DataRow("aoti_custom_ops")]
    [DataRow("nnapi_backend")]
    [DataRow("shm")]
    [DataRow("torch_global_deps")]
    public void HoldsNothingThatIsNeverLoaded(string library)
    {
        Assert.IsFalse(_files.Any(file => Path.GetFileName(file) == Repository.NativeName(library)));
    }

    [TestMethod]
    public void ClassLibraryHoldsNoNatives()
    {
        var output = Path.Combine(Repository.Library, "bin", Repository.Configuration);
        var natives = Directory.GetFiles(output, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetExtension(file) is ".so" or ".dylib" || Path.GetFileName(file) == "onnxruntime.dll");

        Assert.IsEmpty(natives);
        Assert.IsNotEmpty(Directory.GetFiles(output, "Microsoft.ML.Hdrq.dll", SearchOption.AllDirectories));
    }

    private static bool IsManaged(string file)
    {
        try
        {
            return AssemblyName.GetAssemblyName(file) is not null;
        }
        catch (BadImageFormatException)
        {
            return false;
        }
    }
}

using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Tests.Build;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public partial class TorchRuntimeTests
{
    private const int NoSuchGpu = 4096;

    /// <summary>
    /// Runs here, and again in processes from which parts of libtorch have been taken: there it fails, with the message
    /// that is tested below.
    /// </summary>
    [TestMethod]
    public void LibtorchLoads()
    {
        Parallel.For(0, 4, _ => TorchRuntime.EnsureLoaded());

        using var scope = torch.NewDisposeScope();
        Assert.AreEqual(2f, torch.ones(2).sum().ToSingle());
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void NoGpuIsTheCpu(bool fallbackToCpu) =>
        Assert.AreEqual(DeviceType.CPU, TorchRuntime.ResolveDevice(null, fallbackToCpu).type);

    [TestMethod]
    public void FallsBackToTheCpu() =>
        Assert.AreEqual(DeviceType.CPU, TorchRuntime.ResolveDevice(NoSuchGpu, fallbackToCpu: true).type);

    [TestMethod]
    public void UnusableGpuWithoutFallbackNamesTheCause()
    {
        var e = Assert.ThrowsExactly<InvalidOperationException>(
            () => TorchRuntime.ResolveDevice(NoSuchGpu, fallbackToCpu: false));

        StringAssert.StartsWith(e.Message, "GpuDeviceId is 4096, but ");
        StringAssert.Contains(e.Message, "FallbackToCpu");
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void NegativeGpuIsRefused(bool fallbackToCpu)
    {
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TorchRuntime.ResolveDevice(-1, fallbackToCpu));

        StringAssert.Contains(e.Message, "GpuDeviceId");
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void ThreadsDoNotSpinUnlessTheUserWantsIt()
    {
        TorchRuntime.EnsureLoaded();

        Assert.AreEqual(Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") ?? "PASSIVE",
            Marshal.PtrToStringUTF8(NativeVariable("OMP_WAIT_POLICY")));
    }

    [TestMethod]
    public void MissingLibtorchNamesThePackage()
    {
        using var application = CopyWithoutLibtorch();

        var output = RunLibtorchLoads(application);

        StringAssert.Contains(output, "TorchUnavailableException: libtorch is not part of this application");
        StringAssert.Contains(output, $"libtorch-cpu-{Repository.Platform}");
    }

    [TestMethod]
    public void RefusedFileNamesTheLoadersReason()
    {
        using var application = CopyWithoutLibtorch();
        foreach (var library in new[] { "torch_cpu", "torch" })
            File.WriteAllText(application.Combine(Repository.NativeName(library)), new string('x', 4096));

        var output = RunLibtorchLoads(application);

        StringAssert.Contains(output,
            $"TorchUnavailableException: The system's loader refuses {application.Combine(Repository.NativeName("torch_cpu"))}:");
        if (OperatingSystem.IsLinux())
            StringAssert.Contains(output, "invalid ELF header");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void OldLibstdcNamesTheBuildProperty()
    {
        using var application = CopyWithoutLibtorch();
        var natives = Path.GetDirectoryName(FindNative("torch_cpu"))!;
        foreach (var file in Directory.GetFiles(natives)
            .Where(file => Path.GetFileName(file) is var name
                && (name.StartsWith("libtorch", StringComparison.Ordinal)
                    || name.StartsWith("libc10", StringComparison.Ordinal)
                    || name.StartsWith("libgomp", StringComparison.Ordinal))))
            File.CreateSymbolicLink(application.Combine(Path.GetFileName(file)), file);

        // The library asks for a version of libstdc++ that no system has.
        var library = File.ReadAllBytes(FindNative("LibTorchSharp"));
        var entry = library.AsSpan().IndexOf(BitConverter.GetBytes(0x0297f842));
        library[entry + 4] = 0;
        "GLIBCXX_9.9.99"u8.CopyTo(library.AsSpan(library.AsSpan().IndexOf("GLIBCXX_3.4.32"u8)));
        File.Delete(application.Combine(Repository.NativeName("LibTorchSharp")));
        File.WriteAllBytes(application.Combine(Repository.NativeName("LibTorchSharp")), library);

        var output = RunLibtorchLoads(application);

        StringAssert.Contains(output,
            $"TorchUnavailableException: The system's loader refuses {application.Combine("libLibTorchSharp.so")}:");
        StringAssert.Contains(output, "version `GLIBCXX_9.9.99' not found");
        StringAssert.Contains(output, "-p:HdrqPatchLibTorchSharp=always");
    }

    private static TemporaryDirectory CopyWithoutLibtorch()
    {
        var application = new TemporaryDirectory();
        // Without the list of dependencies, the host takes what it finds in the folder.
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory)
            .Where(file => !file.EndsWith(".deps.json", StringComparison.Ordinal)
                && !Path.GetFileName(file).Contains("torch_", StringComparison.Ordinal)))
            File.Copy(file, application.Combine(Path.GetFileName(file)));
        var binding = FindNative("LibTorchSharp");
        File.Copy(binding, application.Combine(Path.GetFileName(binding)), overwrite: true);
        return application;
    }

    private static string RunLibtorchLoads(TemporaryDirectory application)
    {
        var (exitCode, output) = Repository.Dotnet(
            application.Path, application.Combine("Microsoft.ML.Hdrq.Tests.dll"), "--filter",
            $"FullyQualifiedName~{nameof(TorchRuntimeTests)}.{nameof(LibtorchLoads)}");

        const int testsFailed = 2;
        Assert.AreEqual(testsFailed, exitCode, output);
        Assert.DoesNotContain("This application or script uses TorchSharp", output);
        Assert.IsFalse(Directory.Exists(application.Combine("cpu")), "TorchSharp has copied libraries.");
        return output;
    }

    private static string FindNative(string library) =>
        Directory.GetFiles(AppContext.BaseDirectory, Repository.NativeName(library), SearchOption.AllDirectories).Single();

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint NativeVariable(string name);
}

using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>An application that has ML.NET and ONNX Runtime and nothing of ours, as a process of its own.</summary>
internal static class LoadOnlyProgram
{
    /// <summary>Runs it and gives the lines that it writes.</summary>
    public static string[] Run(params string[] arguments)
    {
        var program = Path.Combine(Repository.Root, "test", "Microsoft.ML.Hdrq.LoadOnly", "bin",
            Repository.Configuration, "net10.0", "Microsoft.ML.Hdrq.LoadOnly.dll");
        var (exitCode, output) = Repository.Dotnet(AppContext.BaseDirectory, [program, .. arguments]);
        Assert.AreEqual(0, exitCode, output);
        return output.Split('\n', StringSplitOptions.TrimEntries);
    }
}

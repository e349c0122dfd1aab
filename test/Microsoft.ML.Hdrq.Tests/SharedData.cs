using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>
/// Pretrained networks and images that are too large for the repository: in the folder that the environment variable
/// HDRQ_SHARED names, or in a folder <c>shared</c> beside the repository or above.
/// </summary>
internal static class SharedData
{
    /// <summary>Finds a file or folder, for example <c>data/models/cifar10-resnet20.onnx</c>.</summary>
    public static bool TryFind(string relativePath, out string path)
    {
        var candidates = new List<string>();
        if (Environment.GetEnvironmentVariable("HDRQ_SHARED") is { Length: > 0 } folder)
            candidates.Add(folder);
        else
        {
            for (var directory = new DirectoryInfo(Repository.Root).Parent; directory is not null;
                directory = directory.Parent)
                candidates.Add(Path.Combine(directory.FullName, "shared"));
        }
        path = candidates.Select(candidate => Path.Combine(candidate, relativePath)).FirstOrDefault(Path.Exists) ?? "";
        return path.Length > 0;
    }

    /// <summary>The path of a file or folder; without it the test is inconclusive.</summary>
    public static string Require(string relativePath)
    {
        if (!TryFind(relativePath, out var path))
            Assert.Inconclusive(
                $"There is no '{relativePath}' in a folder 'shared' beside the repository; set HDRQ_SHARED to where it is.");
        return path;
    }
}

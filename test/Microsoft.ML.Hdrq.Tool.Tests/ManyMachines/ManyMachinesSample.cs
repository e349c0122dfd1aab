using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tool.Tests.ManyMachines;

/// <summary>The files of samples/ManyMachines.</summary>
internal static class ManyMachinesSample
{
    public static string Folder { get; } = Path.Combine(Repository.Root, "samples", "ManyMachines");

    public static string PathOf(string name) => Path.Combine(Folder, name);

    public static string Text(string name) => File.ReadAllText(PathOf(name));

    /// <summary>The domains of domains.txt.</summary>
    public static string[] Domains => File.ReadAllLines(PathOf("domains.txt"));
}

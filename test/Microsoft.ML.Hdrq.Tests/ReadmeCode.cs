using Microsoft.ML.Hdrq.Tests.Build;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>The C# code that a document prints, and the same code in a test, where it is compiled and run.</summary>
internal static class ReadmeCode
{
    /// <summary>
    /// Fails unless the first code under a heading of a document is, line by line, that between <c>// &lt;region&gt;</c> and <c>// &lt;/region&gt;</c> of a test's file.
    /// </summary>
    public static void AssertIsPrinted(string heading, string testFile, string region, string document = "README.md")
    {
        var readme = File.ReadAllLines(Path.Combine(Repository.Root, document)).SkipWhile(line => line != heading).SkipWhile(line => line != "```csharp").Skip(1).TakeWhile(line => line != "```");
        var code = File.ReadAllLines(Path.Combine(Repository.Root, "test", "Microsoft.ML.Hdrq.Tests", testFile))
            .SkipWhile(line => line.Trim() != $"// <{region}>").Skip(1).TakeWhile(line => line.Trim() != $"// </{region}>").Select(line => line.Length > 8 ? line[8..] : "");
        Assert.AreNotEqual(0, readme.Count(), heading);
        CollectionAssert.AreEqual(readme.ToArray(), code.ToArray(), heading);
    }
}

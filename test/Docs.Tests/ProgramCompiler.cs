using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>
/// Compiles a program as a fresh console project of the .NET SDK does that references the package: with the usings that
/// it adds, and what the package brings.
/// </summary>
internal static class ProgramCompiler
{
    private static readonly string[] _usings =
    [
        "System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading",
        "System.Threading.Tasks",
    ];

    /// <summary>Assemblies that only this project has.</summary>
    private static readonly string[] _own =
    [
        "Docs.Tests", "hdrq", "Microsoft.CodeAnalysis", "Microsoft.VisualStudio", "Microsoft.TestPlatform",
        "Microsoft.Testing", "MSTest", "Spectre", "System.CommandLine", "OxyPlot",
    ];

    private static readonly Lazy<IReadOnlyList<MetadataReference>> _references = new(() =>
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => !_own.Any(own => Path.GetFileName(path).StartsWith(own, StringComparison.Ordinal)))
            .Select(path => MetadataReference.CreateFromFile(path)),
    ]);

    /// <summary>Compiles.</summary>
    /// <param name="code">The text of Program.cs.</param>
    /// <param name="place">Where it is from.</param>
    /// <param name="path">The assembly to write.</param>
    public static void Compile(string code, string place, string path)
    {
        var parsing = new CSharpParseOptions(LanguageVersion.Latest);
        var compilation = CSharpCompilation.Create(
            Path.GetFileNameWithoutExtension(path),
            [
                CSharpSyntaxTree.ParseText(string.Concat(_usings.Select(name => $"global using {name};\n")), parsing),
                CSharpSyntaxTree.ParseText(code, parsing, path: "Program.cs"),
            ],
            _references.Value,
            new CSharpCompilationOptions(
                OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        using var file = File.Create(path);
        var result = compilation.Emit(file);
        var errors = result.Diagnostics.Where(found => found.Severity == DiagnosticSeverity.Error);
        Assert.AreEqual("", string.Join('\n', errors), $"{place} does not compile.");
    }
}

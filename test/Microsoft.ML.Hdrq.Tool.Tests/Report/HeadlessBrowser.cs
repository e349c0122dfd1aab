using System.Diagnostics;

namespace Microsoft.ML.Hdrq.Tool.Tests.Report;

/// <summary>Chromium without a window. Tests that need it are inconclusive where it is not installed.</summary>
internal sealed class HeadlessBrowser : IDisposable
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);
    private readonly string _executable;
    private readonly TemporaryDirectory _folder = new();

    private HeadlessBrowser(string executable) => _executable = executable;

    public static HeadlessBrowser Require()
    {
        string[] names = ["chromium", "chromium-browser", "google-chrome"];
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var executable = names.SelectMany(name => folders.Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
        if (executable is null)
            Assert.Inconclusive(
                "There is no Chromium on this machine; install the package 'chromium' to have reports opened in it.");
        return new HeadlessBrowser(executable);
    }

    /// <summary>Opens a page, and returns what it has become and what was written to the console.</summary>
    public (string Dom, string Console) Load(byte[] html, int width, int height)
    {
        var page = Path.Combine(_folder.Path, "page.html");
        File.WriteAllBytes(page, html);
        var start = new ProcessStartInfo(_executable)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                $"--user-data-dir={Path.Combine(_folder.Path, "profile")}", $"--window-size={width},{height}",
                "--enable-logging=stderr", "--dump-dom", new Uri(page).AbsoluteUri,
            },
        };
        using var process = Process.Start(start)!;
        var (dom, log) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(_timeout))
        {
            process.Kill(entireProcessTree: true);
            Assert.Inconclusive("Chromium does not come to an end on this machine.");
        }
        return (dom.Result, string.Join(
            '\n', log.Result.Split('\n').Where(line => line.Contains("CONSOLE", StringComparison.Ordinal))));
    }

    public void Dispose() => _folder.Dispose();
}

using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>The command is killed while it quantizes, as by a power failure, and started again until it is done.</summary>
internal static class Kills
{
    private const int Size = 16;
    private const int Images = 24;

    /// <summary>Kills the command at random moments.</summary>
    /// <param name="output">Folder for what it works on.</param>
    /// <param name="seed">Seed of the moments.</param>
    /// <param name="kills">How many there are to be.</param>
    /// <param name="log">Receives the results.</param>
    public static void Run(string output, int seed, int kills, Log log)
    {
        var tool = Path.Combine(AppContext.BaseDirectory.Replace(
            Path.Combine("test", "Microsoft.ML.Hdrq.Attack"), Path.Combine("src", "Microsoft.ML.Hdrq.Tool"),
            StringComparison.Ordinal), "hdrq.dll");
        var folder = Path.Combine(output, "kills");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(Path.Combine(folder, "images"));
        var random = new Random(seed);
        using (var network = ResNet.Cifar(14, 5, seed: 1, width: 8, Size))
            network.SaveOnnx(Path.Combine(folder, "network.onnx"));
        for (var image = 0; image < Images; image++)
        {
            var pixels = new byte[4 * Size * Size];
            random.NextBytes(pixels);
            using var picture = MLImage.CreateFromPixels(Size, Size, MLPixelFormat.Bgra32, pixels);
            picture.Save(Path.Combine(folder, "images", $"{image}.png"));
        }

        var watch = Stopwatch.StartNew();
        var whole = Quantize("whole.onnx");
        var duration = watch.Elapsed;
        if (whole.ExitCode != 0)
        {
            log.Check("whole", passed: false, whole.Error);
            return;
        }
        var (done, rounds, mostKept, wrong) = (0, 0, 0, new List<string>());
        while (done < kills && wrong.Count <= 3)
        {
            var name = $"round-{rounds++}.onnx";
            var before = done;
            var kept = new Dictionary<string, DateTime>();
            int? exitCode = null;
            while (exitCode != 0 && wrong.Count <= 3)
            {
                // A third is start and end of the process, where there is nothing to lose.
                var moment = done < kills ? duration * (0.3 + random.NextDouble()) : (TimeSpan?)null;
                (exitCode, _, var error) = Quantize(name, moment);
                if (exitCode == 0)
                    break;
                if (exitCode is not null)
                    wrong.Add($"exit code {exitCode}: {error.Trim()}");
                done += exitCode is null ? 1 : 0;
                // Only the block that it was at is trained again: those that were kept are not written a second time.
                // Where the network is written, they have been deleted, and the same command makes it anew.
                if (File.Exists(Path.Combine(folder, name)))
                    kept = [];
                var now = Blocks(name);
                wrong.AddRange(kept.Where(block => now.GetValueOrDefault(block.Key) != block.Value)
                    .Select(block => $"{block.Key} was trained again"));
                kept = now;
                mostKept = Math.Max(mostKept, kept.Count);
            }
            if (!File.Exists(Path.Combine(folder, name)) || Hash(name) != Hash("whole.onnx"))
                wrong.Add($"{name} has other bytes after {done - before} kills");
        }
        log.Number("rounds", rounds, "");
        log.Number("blocks kept at a kill", mostKept, "at most");
        log.Check("same bytes, and at most one block again for each kill", wrong.Count == 0,
            $"{done} kills in {rounds} quantizations {string.Join('\n', wrong)}");
        // Kills that hit nothing would show nothing.
        log.Check("reach", mostKept > 1, $"up to {mostKept} blocks were kept");
        log.Check("nothing left", Directory.GetFileSystemEntries(folder).Length == rounds + 3,
            string.Join(", ", Directory.GetFileSystemEntries(folder).Select(Path.GetFileName)));

        Dictionary<string, DateTime> Blocks(string name) =>
            Directory.Exists(Path.Combine(folder, $"{name}.checkpoint"))
                ? Directory.GetFiles(Path.Combine(folder, $"{name}.checkpoint"), "*-block-*.checkpoint")
                    .ToDictionary(path => path, File.GetLastWriteTimeUtc)
                : [];

        (int? ExitCode, string Output, string Error) Quantize(string name, TimeSpan? killAfter = null) =>
            Children.Run("dotnet", [
                tool, "quantize", "--network", Path.Combine(folder, "network.onnx"),
                "--data", Path.Combine(folder, "images"), "--normalization", "none", "--iterations", "40",
                "--output", Path.Combine(folder, name), "--json"], killAfter);

        string Hash(string name) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, name))));
    }
}

using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>A disk that is full before a file is written whole: what was there before stays.</summary>
internal static class FullDisk
{
    /// <summary>Writes files on a small file system of its own, where this machine lets one be made.</summary>
    public static void Run(string output, Log log)
    {
        var disk = Path.Combine(output, "disk");
        Directory.CreateDirectory(disk);
        var (exitCode, _, error) = OperatingSystem.IsLinux()
            ? Children.Run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk])
            : (1, "", "only Linux has the file system that is used");
        if (exitCode != 0)
        {
            log.Say($"not tried: {error.Trim()}");
            return;
        }
        try
        {
            Write(disk, log);
        }
        finally
        {
            Children.Run("umount", [disk]);
        }
    }

    private static void Write(string disk, Log log)
    {
        using var network = ResNet.Cifar(8, 5, seed: 1, width: 4);
        var (target, filler) = (Path.Combine(disk, "network.onnx"), Path.Combine(disk, "filler"));
        network.SaveOnnx(target);
        var before = File.ReadAllBytes(target);
        foreach (var share in new[] { 0, 0.1, 0.5, 0.9 })
        {
            using (var full = File.Create(filler))
            {
                var free = new DriveInfo(disk).AvailableFreeSpace - (long)(share * before.Length);
                full.Write(new byte[Math.Max(0, free)]);
            }
            var said = "it was written";
            try
            {
                network.SaveOnnx(target);
            }
            catch (IOException exception)
            {
                said = exception.Message;
            }
            var left = Directory.GetFiles(disk).Select(Path.GetFileName).Order(StringComparer.Ordinal);
            var isWhole = File.ReadAllBytes(target).AsSpan().SequenceEqual(before)
                && left.SequenceEqual(["filler", "network.onnx"]) && said != "it was written";
            log.Check(
                string.Create(CultureInfo.InvariantCulture, $"room for {share:P0}"), isWhole,
                $"{said} {string.Join(", ", left)}");
            File.Delete(filler);
        }
        network.SaveOnnx(target);
        using var again = Network.LoadOnnx(target);
        log.Check("with room again", again.Graph.Nodes.Length == network.Graph.Nodes.Length, "it is written");
    }
}

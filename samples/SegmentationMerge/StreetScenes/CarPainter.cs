using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Puts cars into a scene.</summary>
internal static class CarPainter
{
    private static readonly SKColor[] _paints = [new(176, 30, 36), new(30, 60, 130), new(228, 228, 226), new(28, 28, 32), new(150, 154, 160), new(60, 96, 70), new(206, 170, 60)];

    /// <summary>Adds a car that is seen from the front or from behind.</summary>
    public static void Add(StreetScene scene, float right, float away, bool comesTowards, Random random)
    {
        var camera = scene.Camera;
        var paint = Tints.Of(random, _paints);
        var (half, height) = (random.Uniform(0.8, 0.95), random.Uniform(1.35, 1.8));
        var waist = height * random.Uniform(0.52, 0.62);
        SKPoint At(float x, float y) => camera.Project(right + x * half, y, away);

        scene.AddBox(StreetClass.Car, right - half, 0, 0.25f, 0.5f, away, new SKColor(20, 20, 22));
        scene.AddBox(StreetClass.Car, right + half - 0.25f, 0, 0.25f, 0.5f, away, new SKColor(20, 20, 22));
        scene.Add(StreetClass.Car, away, paint, path => path.AddPoly([At(-1, 0.25f), At(-1, waist), At(-0.75f, height), At(0.75f, height), At(1, waist), At(1, 0.25f)]));
        scene.Add(StreetClass.Car, away, Tints.Muted(random, 40, 90, tint: 6), path => path.AddPoly([At(-0.85f, waist + 0.04f), At(-0.68f, height - 0.12f), At(0.68f, height - 0.12f), At(0.85f, waist + 0.04f)]));
        scene.AddBox(StreetClass.Car, right - 0.8f * half, 0.3f, 1.6f * half, 0.15f, away, Tints.Lit(paint, 0.5));
        var lamp = comesTowards ? new SKColor(246, 240, 214) : new SKColor(196, 30, 30);
        foreach (var side in new[] { -1, 1 })
        {
            scene.AddBox(StreetClass.Car, right + side * 0.78f * half - 0.12f, 0.62f, 0.24f, 0.16f, away, lamp);
            scene.Lights.Add(new(camera.Project(right + side * 0.78f * half, 0.7f, away), (comesTowards ? 0.5f : 0.25f) * camera.Focal / away, lamp));
        }
    }
}
